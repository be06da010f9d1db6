"""Where dividers stand between messages, whatever comes when."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.feed import DividerRow, Row
from app.subscriber.timeline import Timeline
from clients import Gap, Message

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


class Story:
    """A timeline on a clock that counts, and what it has told."""

    def __init__(self) -> None:
        self.time = 0
        self.anew: list[tuple[str, int]] = []
        self.elsewhere: list[tuple[str, int]] = []
        self.timeline = Timeline(
            self.clock,
            anew=lambda *one: self.anew.append(one),
            elsewhere=lambda *one: self.elsewhere.append(one),
        )
        self.told: list[str | int] = []

    def clock(self) -> str:
        self.time += 1
        return f"t{self.time}"

    def begin(self, backlog: Mapping[str, range]) -> None:
        self.tell(self.timeline.begin(backlog))

    def come(self, topic: str, first: int, last: int) -> None:
        block = [Message(topic, seq, "", "bob", NOON) for seq in range(first, last + 1)]
        self.tell(self.timeline.rows(block))

    def tell(self, rows: list[Row]) -> None:
        self.told += [row.text if isinstance(row, DividerRow) else row.seq for row in rows]


def test_without_a_backlog_there_is_nothing_to_tell() -> None:
    story = Story()
    story.begin({"orders": range(5, 5)})
    story.come("orders", 5, 6)
    assert story.told == [5, 6]


def test_the_backlog_stands_between_its_dividers() -> None:
    story = Story()
    story.begin({"orders": range(5, 8)})
    story.come("orders", 5, 6)
    assert (story.timeline.came, story.timeline.expected) == (2, 3)
    assert not story.timeline.caught_up
    story.come("orders", 7, 9)  # a block may go on beyond it
    assert story.told == [
        *("orders: 3 unread from before you signed in", 5, 6),
        *(7, "live since t1", 8, 9),
    ]
    assert story.timeline.caught_up


def test_it_is_live_once_the_backlog_of_every_topic_is_there() -> None:
    story = Story()
    story.begin({"a": range(1, 2), "b": range(1, 2), "c": range(4, 4)})
    story.come("a", 1, 2)
    story.come("b", 1, 1)
    assert story.told[-1] == "live since t1"
    assert story.told.count("live since t1") == 1


def test_ending_the_last_subscription_that_waits_makes_it_live() -> None:
    story = Story()
    story.begin({"a": range(1, 2), "b": range(1, 9)})
    story.come("a", 1, 1)
    story.tell(story.timeline.forget("b"))
    assert story.told[-1] == "live since t1"
    assert (story.timeline.came, story.timeline.expected) == (1, 1)


def test_an_outage_is_told_right_before_what_was_missed() -> None:
    story = Story()
    story.begin({"a": range(1, 1)})
    story.come("a", 1, 2)
    story.timeline.lost()
    story.timeline.lost()  # again, before it was back
    story.begin({"a": range(4, 6)})
    story.come("a", 3, 3)  # had come before it was lost, and waited
    story.come("a", 4, 5)
    outage = "connection lost t1, back t2, 2 missed delivered"
    assert story.told == [1, 2, 3, outage, 4, 5]


def test_an_outage_in_which_nothing_was_missed_is_told_at_once() -> None:
    story = Story()
    story.begin({"a": range(1, 1)})
    story.timeline.lost()
    story.begin({"a": range(1, 1)})
    assert story.told == ["connection lost t1, back t2, nothing missed"]


def test_messages_that_another_session_has_read_are_told_as_a_gap() -> None:
    story = Story()
    story.begin({"a": range(1, 1)})
    story.come("a", 1, 1)
    story.come("a", 3, 3)
    story.come("a", 6, 6)
    assert story.told == [
        *(1, "a: 2 was read in another session", 3),
        *("a: 4 to 5 was read in another session", 6),
    ]
    assert story.elsewhere == [("a", 2), ("a", 5)]


def test_a_topic_of_another_store_begins_anew() -> None:
    story = Story()
    story.begin({"a": range(1, 1)})
    story.come("a", 1, 9)
    story.come("a", 1, 2)
    assert story.told[-3:] == ["a: begins anew at 1", 1, 2]
    assert story.anew == [("a", 0)]


def test_all_that_is_stored_is_introduced_when_it_is_asked_for() -> None:
    story = Story()
    story.begin({})
    story.timeline.expect("a", range(1, 3), "a: 2 stored messages")
    story.come("a", 1, 4)
    assert story.told == ["a: 2 stored messages", 1, 2, 3, 4]


@given(st.integers(1, 20), st.integers(0, 20), st.lists(st.integers(1, 7), min_size=1))
def test_however_it_is_cut_into_blocks_the_story_is_the_same(
    start: int, size: int, cuts: list[int]
) -> None:
    story, whole = Story(), Story()
    total = sum(cuts)
    for one in (story, whole):
        one.begin({"a": range(start, start + size)})
    first = start
    for cut in cuts:
        story.come("a", first, first + cut - 1)
        first += cut
    whole.come("a", start, start + total - 1)
    assert story.told == whole.told
    assert story.timeline.came == min(size, total)


GONE = "orders: messages 3 to 6 are gone: the broker no longer keeps them"


def test_what_is_gone_is_told_in_its_place_and_not_as_read_elsewhere() -> None:
    story = Story()
    story.begin({"orders": range(7, 9)})
    story.tell(story.timeline.gap(Gap("orders", 3, 6)))
    story.come("orders", 7, 8)
    assert story.told == [
        *(GONE, "orders: 2 unread from before you signed in", 7, 8),
        "live since t1",
    ]
    assert story.elsewhere == []


def test_what_went_while_it_was_waited_for_is_waited_for_no_more() -> None:
    story = Story()
    story.begin({"orders": range(3, 9)})
    story.tell(story.timeline.gap(Gap("orders", 3, 6)))
    assert (story.timeline.came, story.timeline.expected) == (0, 2)
    story.come("orders", 7, 8)
    assert story.told[-3:] == [7, 8, "live since t1"]
    assert story.timeline.caught_up


def test_where_all_that_was_waited_for_is_gone_it_is_live() -> None:
    story = Story()
    story.begin({"orders": range(3, 7)})
    story.tell(story.timeline.gap(Gap("orders", 3, 6)))
    assert story.told == [GONE, "live since t1"]
    assert story.timeline.caught_up
    story.come("orders", 7, 7)
    assert story.told[2:] == [7]
