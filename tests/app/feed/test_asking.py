"""What a screen asks of a feed: its messages, the oldest unseen one, other times, a new start."""

from datetime import UTC, timedelta, timezone

from app.feed import DividerRow, FeedView
from app.feed.reading import Reading
from app.feed.ring import Ring
from tests.app.feed.host import add, lines, row, rows, shown


async def test_the_messages_are_those_that_topic_and_filter_let_through() -> None:
    feed = FeedView()
    async with shown(feed) as pilot:
        await add(pilot, feed, [DividerRow("live"), *rows(1, 3), row(7, topic="audit")])
        assert [one.seq for one in feed.messages()] == [1, 2, 3, 7]
        feed.topic = "orders"
        assert [one.seq for one in feed.messages()] == [1, 2, 3]
        feed.filter_text = "seq:2"
        assert [one.seq for one in feed.messages()] == [2]


async def test_the_oldest_unseen_message_can_be_gone_to() -> None:
    feed = FeedView()
    async with shown(feed) as pilot:
        assert not feed.go_to_unseen()
        await add(pilot, feed, rows(1, 100))
        feed.mark_read()
        await add(pilot, feed, rows(101, 300))
        assert feed.go_to_unseen()
        assert feed.held
        assert feed.selected_row == row(101)


async def test_times_are_shown_in_another_zone_at_once() -> None:
    feed = FeedView(zone=UTC)
    async with shown(feed) as pilot:
        await add(pilot, feed, [row(0)])
        assert "12:00:00" in "".join(lines(feed))
        feed.zone = timezone(timedelta(hours=2))
        assert "14:00:00" in "".join(lines(feed))


async def test_where_there_are_only_dividers_the_feed_still_says_why() -> None:
    feed = FeedView()
    feed.placeholder = "Waiting."
    async with shown(feed) as pilot:
        await add(pilot, feed, [DividerRow("live since 12:00:00")])
        assert "Waiting." in "".join(lines(feed))
        await add(pilot, feed, rows(1, 1))
        assert "Waiting." not in "".join(lines(feed))


def test_a_topic_that_begins_anew_is_read_from_its_first_message_on() -> None:
    ring = Ring(10)
    reading = Reading(ring)
    new = [row(seq, unread=True) for seq in (1, 2, 3)]
    for first in (0, 3):
        ring.append_many(new)
        reading.came(first, new)
        reading.show([first])
        assert reading.take_moved() == {"orders": 1}
        reading.restart("orders")
        assert not any(reading.is_unread(first + place, new[place]) for place in range(3))
