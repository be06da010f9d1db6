"""Figures, rates, notes and advice: values in, words out."""

import logging
import socket

import pytest

from app.dashboard.figures import (
    as_clock,
    cell,
    compact,
    in_bytes,
    in_milliseconds,
    in_time,
    sparks,
)
from app.dashboard.holder import free_port_after, holder_of
from app.dashboard.log import LogKeeper
from app.dashboard.rates import RateMeter
from app.dashboard.trouble import advice
from app.screens.symbols import ASCII, Symbols
from broker import CannotListen, Settings
from broker.snapshot import TopicFigures
from tests.app.dashboard.conftest import HOSTILE, snapshot


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_990, "1.0 MB"),
        (48_200_000, "48.2 MB"),
        (5_000_000_000_000, "5.0 TB"),
    ],
)
def test_bytes_are_short(count: int, shown: str) -> None:
    assert in_bytes(count) == shown


def test_times_are_short() -> None:
    assert [in_time(one) for one in (0.9, 59, 60, 7_300, 200_000)] == [
        "0s",
        "59s",
        "1m",
        "2h",
        "2d",
    ]
    assert [as_clock(4_364), as_clock(90_061)] == ["01:12:44", "1 d 01:01:01"]
    assert [in_milliseconds(one) for one in (None, 0.0031, 0.25)] == ["-", "3.1 ms", "250 ms"]


def test_numbers_keep_to_seven_cells() -> None:
    counts = (None, 999_999, 1_000_000, 999_949_999, 41_200_000_000)
    assert [compact(one) for one in counts] == ["-", "999,999", "1.0M", "999.9M", "41.2G"]


def test_the_highest_value_is_the_highest_bar() -> None:
    assert sparks([0, 1, 2, 4], 3, Symbols().bars) == "▃▅█"
    assert sparks([0, 0], 10, ASCII.bars) == "__"
    assert sparks([1, 2], 0, ASCII.bars) == ""


def test_a_cell_holds_what_fits_and_nothing_that_harms() -> None:
    shown = cell(HOSTILE, 30, "…")
    assert shown.cell_len == 30
    assert shown.plain.startswith(r"[/x] [bold]\x1b[2J\x00\u202ee")
    assert cell("数据数据", 4, "…").plain == "数…"


def test_rates_are_those_of_the_last_second() -> None:
    meter = RateMeter()
    for quarter in range(9):
        topic = TopicFigures("T", 10 * quarter, 0)
        meter.add(
            snapshot(
                at_s=10 + quarter / 4,
                messages_in=40 * quarter,
                messages_out=80 * quarter,
                bytes_in=400 * quarter,
                bytes_out=0,
                topics=(topic,),
                topic_count=1,
            )
        )
    rates = meter.rates
    assert (rates.now.messages_in, rates.now.messages_out, rates.now.bytes_in) == (160, 320, 1_600)
    assert rates.topics == {"T": 40}
    assert rates.messages_in == (160, 160)
    meter.add(snapshot(at_s=99, messages_in=320, topics=(), topic_count=0))
    assert meter.rates.now.messages_in == 0  # though nobody looked for a long time


def test_a_snapshot_that_is_given_twice_counts_once() -> None:
    meter = RateMeter()
    first, second = snapshot(at_s=1, messages_in=0), snapshot(at_s=2, messages_in=10)
    for one in (first, first, second, second):
        meter.add(one)
    assert meter.rates.now.messages_in == 10


def test_the_log_keeps_harmless_lines_and_only_so_many() -> None:
    keeper = LogKeeper()
    for number in range(2_000):
        keeper.keep(f"{number} {HOSTILE}")
    assert (len(keeper.lines), keeper.count) == (1_000, 2_000)
    assert keeper.lines[-1].startswith(r"1999 [/x] [bold]\x1b[2J\x00\u202eevil")


def test_a_traceback_is_kept_line_by_line() -> None:
    keeper = LogKeeper()
    logger = logging.Logger("test")
    logger.addHandler(keeper)
    try:
        raise ValueError("planted")
    except ValueError:
        logger.exception("it failed")
    assert keeper.lines[0].endswith("ERROR   it failed")
    assert keeper.lines[-1].strip() == "ValueError: planted"


def test_a_port_in_use_is_told_with_its_holder_and_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        lines = advice(CannotListen("taken"), Settings(store_url="postgresql://", port=port))
        holder = holder_of(port)
    assert holder is None or holder in lines[1]  # not every platform tells
    free = free_port_after("127.0.0.1", port)
    assert free is not None
    assert free > port
    assert "is free: pubsub broker --dashboard --port" in lines[-1]
    assert advice(ValueError("other"), Settings(store_url="postgresql://")) == ["other"]
