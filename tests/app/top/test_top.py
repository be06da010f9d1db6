"""What `pubsub top` shows: rates between two looks, states in a word, hostile text as text."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from app.monitoring.stats import Stats
from app.top.drawing import draw
from app.top.picture import Picture, Pictures
from broker.snapshot import Condition, SessionFigures, Snapshot, TopicFigures
from protocol.names import Role

HOSTILE = "[/x] [bold]\x1b[2J\x00\u202eevil 数据"

TOPICS = (
    TopicFigures("ORDERS", 1_000, 1, 3, 0, 0.0),
    TopicFigures("STOCK", 5_000_000, 0, 2, 12_345, 3_700.0),
    TopicFigures("QUIET", 7, 0, 0, 0, 0.0),
    TopicFigures(HOSTILE, 1, 0),
)
SESSIONS = (
    SessionFigures(1, "shop@example.com", Role.PUBLISHER, 0, 0, 0, 0.0, received_bytes=1_000),
    SessionFigures(2, "ann@example.com", Role.SUBSCRIBER, 1, 0, 0, 0.0, written_bytes=500),
    SessionFigures(
        3, "bob@example.com", Role.SUBSCRIBER, 1, 900_000, 50, 9.0, slow=True, unread=60
    ),
    SessionFigures(4, "eve@example.com", Role.SUBSCRIBER, 1, 10, 40, 9.0, unread=40),
    SessionFigures(5, "", None, 0, 0, 0, 9.0),
    SessionFigures(6, "idle@example.com", Role.SUBSCRIBER, 0, 0, 0, 99.0),
)
NOW = Snapshot(
    at_s=100.0,
    up_s=4_364.0,
    condition=Condition.SERVING,
    trouble="",
    messages_in=1_000,
    messages_out=3_000,
    bytes_in=100_000,
    bytes_out=300_000,
    commits=10,
    refusals=3,
    ack_p50_s=0.0004,
    ack_p99_s=0.0021,
    connections=6,
    publishers=1,
    subscribers=4,
    slow=1,
    topic_count=4,
    stored=5_001_008,
    unread=12_345,
    data_bytes=50_000_000,
    free_bytes=76_000_000_000,
    topics=TOPICS,
    sessions=SESSIONS,
    oldest_unread_s=3_700.0,
)


def stats(now: Snapshot, pid: int = 1, reasons: Sequence[str] = ()) -> Stats:
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Stats("0.1.0", pid, "127.0.0.1:3000", time, not reasons, [*reasons], now)


def later(seconds: float = 2.0) -> Snapshot:
    """Return the figures some seconds after `NOW`."""
    orders = replace(TOPICS[0], head=1_500)
    shop, ann = SESSIONS[:2]
    moved = (
        replace(shop, received_bytes=3_000),
        replace(ann, written_bytes=4_500),
        *SESSIONS[2:],
    )
    return replace(
        NOW,
        at_s=NOW.at_s + seconds,
        messages_in=NOW.messages_in + 500,
        topics=(orders, *TOPICS[1:]),
        sessions=moved,
    )


@pytest.fixture
def picture() -> Picture:
    pictures = Pictures()
    pictures.add(stats(NOW))
    return pictures.add(stats(later()))


def shown(picture: Picture, width: int, height: int | None) -> str:
    console = Console(width=width, height=height, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(draw(picture, height))
    return captured.get()


def test_rates_are_those_between_two_looks(picture: Picture) -> None:
    assert picture.rates.now.messages_in == 250
    assert picture.topic_rate(picture.stats.broker.topics[0]) == 250
    shop, ann = (picture.session_rate(one) for one in picture.stats.broker.sessions[:2])
    assert (shop.bytes_in, shop.bytes_out) == (1_000, 0)
    assert (ann.bytes_in, ann.bytes_out) == (0, 2_000)


def test_a_broker_that_was_started_anew_has_no_rates_below_nothing() -> None:
    pictures = Pictures()
    pictures.add(stats(NOW))
    anew = pictures.add(stats(replace(NOW, at_s=1.0, messages_in=0, topics=()), pid=2))
    assert anew.rates.now.messages_in == 0
    assert anew.sessions == {}


def test_states_are_a_word(picture: Picture) -> None:
    topics = {one.name: picture.topic_state(one) for one in picture.stats.broker.topics}
    assert topics == {"ORDERS": "busy", "STOCK": "behind", "QUIET": "quiet", HOSTILE: "quiet"}
    states = [picture.session_state(one) for one in picture.stats.broker.sessions]
    assert states == ["busy", "busy", "slow", "behind", "stranger", "idle"]


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (60, 12)])
def test_the_picture_at_each_size(
    picture: Picture, size: tuple[int, int], frames: SnapshotAssertion
) -> None:
    text = shown(picture, *size)
    assert len(text.splitlines()) <= size[1]
    assert all(line.isprintable() for line in text.splitlines())
    assert text == frames


def test_what_does_not_fit_is_counted(picture: Picture) -> None:
    many = replace(
        later(),
        topic_count=500,
        connections=900,
        topics=tuple(TopicFigures(f"T{n}", n, 0) for n in range(200)),
        sessions=tuple(replace(SESSIONS[5], number=n) for n in range(200)),
    )
    text = shown(Picture(stats(many)), 80, 24)
    assert len(text.splitlines()) <= 24
    assert "TOPIC (7 of 500)" in text
    assert "SESSION (8 of 900)" in text


def test_trouble_and_silence_are_told_in_the_first_line(picture: Picture) -> None:
    low = Picture(stats(replace(NOW, condition=Condition.LOW_DISK), reasons=["disk low: why"]))
    assert "disk low: why" in shown(low, 100, 30).splitlines()[0]
    silent = replace(picture, unanswered="no answer since 12:00:00")
    assert "no answer since 12:00:00" in shown(silent, 100, 30).splitlines()[0]


def test_a_broker_without_anybody_says_so() -> None:
    nobody = replace(NOW, topic_count=0, topics=(), connections=0, sessions=(), unread=None)
    text = shown(Picture(stats(nobody)), 80, 24)
    assert "(none yet)" in text
    assert "(nobody is connected)" in text
