"""The live feed: following, holding, its keys and what it posts."""

from app.feed import FeedView
from tests.app.feed.host import add, lines, rows, shown, texts


async def test_a_feed_follows_the_newest_row() -> None:
    feed = FeedView()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        assert texts(feed)[-1] == "order 50"
        await add(pilot, feed, rows(51, 60))
        assert texts(feed)[-1] == "order 60"
        assert not feed.held


async def test_a_held_feed_does_not_move_under_hundreds_of_new_rows() -> None:
    feed = FeedView()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        await pilot.press("space")
        before = lines(feed)
        for first in range(51, 401, 7):
            await add(pilot, feed, rows(first, first + 6))
            assert lines(feed) == before
        assert (feed.held, feed.new_count) == (True, 350)


async def test_going_to_the_newest_row_follows_again() -> None:
    for key in ("G", "end", "escape", "space"):
        feed = FeedView()
        async with shown(feed) as pilot:
            await add(pilot, feed, rows(1, 50))
            await pilot.press("k")
            await add(pilot, feed, rows(51, 60))
            assert feed.held
            await pilot.press(key)
            assert not feed.held
            assert texts(feed)[-1] == "order 60"
