"""The line where a feed's filter is typed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot
from textual.widgets import Input, Static

from app.feed import FeedView, FilterBar
from tests.app.feed.host import add, lines, rows, shown, until


@asynccontextmanager
async def typing() -> AsyncIterator[tuple[Pilot[None], FeedView, FilterBar]]:
    """A feed of 50 rows with an open filter bar."""
    feed = FeedView()
    bar = FilterBar(feed)
    async with shown(feed, bar, size=(100, 14)) as pilot:
        await add(pilot, feed, rows(1, 50))
        bar.open()
        await pilot.pause()
        yield pilot, feed, bar


def status(bar: FilterBar) -> str:
    return str(bar.query_one(".filter--status", Static).content)


async def test_the_bar_is_hidden_until_it_is_opened() -> None:
    bar = FilterBar(FeedView())
    async with shown(bar._feed, bar) as pilot:
        assert not bar.display
        bar.open()
        await pilot.pause()
        assert bar.display
        assert bar.query_one(Input).has_focus


async def test_what_is_typed_filters_soon_and_enter_filters_at_once() -> None:
    async with typing() as (pilot, feed, bar):
        await pilot.press(*"seq:7")
        await until(pilot, lambda: feed.filter_text == "seq:7")
        assert status(bar) == "1 of 50"
        await pilot.press("-", "enter")
        assert feed.filter_text == "seq:7-"
        assert feed.has_focus
        assert bar.display
        assert status(bar) == "44 of 50"


async def test_the_count_goes_on_while_rows_come() -> None:
    async with typing() as (pilot, feed, bar):
        await pilot.press(*"re:0$", "enter")
        await add(pilot, feed, rows(51, 100))
        assert status(bar) == "10 of 100"


async def test_the_old_text_is_recalled() -> None:
    async with typing() as (pilot, feed, bar):
        field = bar.query_one(Input)
        await pilot.press(*"seq:7", "enter")
        bar.open()
        await pilot.pause()
        assert field.value == "seq:7"
        await pilot.press("escape")
        assert (feed.filter_text, bar.display, feed.has_focus) == ("", False, True)
        bar.open()
        await pilot.pause()
        assert field.value == "seq:7"
        await until(pilot, lambda: feed.filter_text == "seq:7")
        await pilot.press(*"seq:8", "enter")  # what was recalled is selected, so typing replaces
        assert feed.filter_text == "seq:8"


async def test_escape_at_once_forgets_what_was_just_typed() -> None:
    async with typing() as (pilot, feed, bar):
        await pilot.press(*"seq:7", "escape")
        await pilot.pause(0.1)  # longer than the bar waits before it filters
        assert (feed.filter_text, bar.display) == ("", False)
        bar.open()
        assert bar.query_one(Input).value == "seq:7"


async def test_an_empty_filter_leaves_nothing_behind() -> None:
    async with typing() as (pilot, feed, bar):
        await pilot.press("enter")
        assert (feed.filter_text, bar.display, feed.has_focus) == ("", False, True)


async def test_a_wrong_filter_is_told_in_words_and_changes_nothing() -> None:
    async with typing() as (pilot, feed, bar):
        before = lines(feed)
        bar.query_one(Input).value = "re:("
        await until(pilot, lambda: feed.filter_text == "re:(")
        assert status(bar).startswith("the regex is not complete")
        assert lines(feed)[1:] == before[1:]
        feed.filter_text = "seq:1-"
        await pilot.pause()
        assert status(bar) == "50 of 50"


async def test_a_regex_that_searches_only_beginnings_says_so() -> None:
    async with typing() as (pilot, _, bar):
        await pilot.press(*"re:o.*r", "enter")
        assert status(bar) == "50 of 50, first 6,323 characters"


async def test_a_filter_that_the_screen_sets_or_clears_shows_in_the_bar() -> None:
    async with typing() as (pilot, feed, bar):
        await pilot.press("escape")
        feed.filter_text = "seq:9"
        await pilot.pause()
        assert (bar.display, bar.query_one(Input).value) == (True, "seq:9")
        await pilot.press("escape")
        assert not bar.display
