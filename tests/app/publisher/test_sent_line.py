"""How a row of what was sent is drawn."""

from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from app.publisher.sent import Mark, Row
from app.publisher.sent_line import drawn, header
from app.screens.symbols import ASCII, Symbols

AT = datetime(2026, 1, 2, 12, 10, 31, tzinfo=UTC)


def row(text: str = "hello", **others: object) -> Row:
    one = Row("orders.eu", text, len(text), AT, 100.0)
    for name, value in others.items():
        setattr(one, name, value)
    return one


def line(one: Row, width: int = 98, now: float = 100.0, symbols: Symbols | None = None) -> str:
    return "".join(text for text, _ in drawn(one, width, now, symbols or Symbols()))


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (row(), " …   12:10:31 orders.eu      -         5 B       -               hello"),
        (
            row(mark=Mark.STORED, seq=9818, settled=100.004, confirmed=1, subscriptions=2),
            " ✓   12:10:31 orders.eu      9818      5 B       4 ms    1 of 2  hello",
        ),
        (
            row(mark=Mark.CONFIRMED, seq=1, settled=103.0, confirmed=2, subscriptions=2),
            " ✓✓  12:10:31 orders.eu      1         5 B       3 s     2 of 2  hello",
        ),
        (
            row(mark=Mark.RESENDING),
            " ↻   12:10:31 orders.eu      -         5 B       -"
            "               resent after a reconnect  hello",
        ),
        (
            row(mark=Mark.FAILED, settled=100.002, why="no such topic"),
            " ✗   12:10:31 orders.eu      -         5 B       2 ms            no such topic  hello",
        ),
    ],
)
def test_each_mark_has_its_row(one: Row, shown: str) -> None:
    assert line(one).rstrip() == shown


def test_after_five_seconds_without_an_answer_the_age_is_shown() -> None:
    assert "8 s" not in line(row(), now=104.9)
    assert "  8 s  " in line(row(), now=108.0)
    assert "8 s without an answer  hello" in line(row(), width=60, now=108.0)
    assert ("…   ", "late") in drawn(row(), 98, 108.0, Symbols())


def test_a_narrow_row_has_mark_topic_and_message() -> None:
    assert line(row(), width=40).rstrip() == " …   orders.eu      hello"
    assert header(40).split() == ["topic", "message"]


def test_what_is_cut_off_ends_with_a_mark_and_what_fits_does_not() -> None:
    assert line(row("x" * 38), width=58).endswith("x" * 38)
    assert line(row("x" * 39), width=58).endswith("x" * 37 + "…")
    refused = row(mark=Mark.FAILED, why="y" * 100)
    assert line(refused, width=58).endswith("y…")
    assert line(refused, width=58, symbols=ASCII).endswith("y~")


def test_what_became_of_a_file_stands_apart_from_its_name() -> None:
    file = row("lines.txt", mark=Mark.FAILED, why="2 stored, 1 failed", of_file=True)
    assert "2 stored, 1 failed  lines.txt" in line(file)


def test_the_header_stands_over_its_columns() -> None:
    shown = line(row(mark=Mark.STORED, seq=9818, settled=100.004, confirmed=1, subscriptions=2))
    top = header(98)
    for name, value in [("time", "12:"), ("topic", "ord"), ("seq", "98"), ("got it", "1 of")]:
        assert top.index(name) == shown.index(value)


@pytest.mark.parametrize("width", [30, 58, 78, 98, 200])
@pytest.mark.parametrize(
    "text",
    ["[/x]", "[bold]", "\x1b[31mred\x07", "\x00", "\u202eevil", "漢" * 200, "e\u0301" * 200, "\t"],
)
def test_a_strangers_text_fills_its_cells_and_harms_nothing(text: str, width: int) -> None:
    one = row(text, topic=text, why=text, mark=Mark.FAILED)
    shown = line(one, width)
    assert cell_len(shown) == width
    assert not set("\x1b\x07\x00\u202e\n") & set(shown)


def test_ascii_is_ascii() -> None:
    for mark in Mark:
        assert line(row(mark=mark), symbols=ASCII).isascii()
