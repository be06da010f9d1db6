"""A tiny application around the widgets of the feed, and rows to fill it with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

import app
from app.feed import FeedView, MessageRow, Row

T = TypeVar("T", bound=Message)
STYLES = Path(app.__file__).parent / "styles" / "feed.tcss"
NOON = datetime(2024, 5, 17, 12, 0, 0, tzinfo=UTC)


class Host(App[None]):
    """Shows `widgets` and notes what the feed posts."""

    CSS_PATH = STYLES
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, *widgets: Widget) -> None:
        super().__init__()
        self.widgets = widgets
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield from self.widgets

    def on_feed_view_opened(self, message: FeedView.Opened) -> None:
        self.heard.append(message)

    def on_feed_view_read_up_to(self, message: FeedView.ReadUpTo) -> None:
        self.heard.append(message)

    def on_feed_view_hold_changed(self, message: FeedView.HoldChanged) -> None:
        self.heard.append(message)

    def on_feed_view_changed(self, message: FeedView.Changed) -> None:
        self.heard.append(message)

    def on_feed_view_filter_wanted(self, message: FeedView.FilterWanted) -> None:
        self.heard.append(message)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def shown(*widgets: Widget, size: tuple[int, int] = (100, 12)) -> AsyncIterator[Pilot[None]]:
    """Run an application with `widgets`, the first of them focused."""
    async with Host(*widgets).run_test(size=size) as pilot:
        widgets[0].focus()
        await pilot.pause()
        yield pilot


def heard(pilot: Pilot[None], kind: type[T]) -> list[T]:
    """The messages of this kind that came up so far."""
    assert isinstance(pilot.app, Host)
    return [message for message in pilot.app.heard if isinstance(message, kind)]


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the application go on until `condition` holds."""
    async with asyncio.timeout(10):
        while not condition():
            await pilot.pause()


def row(seq: int, text: str | None = None, **changes: Any) -> MessageRow:
    """Message `seq` of the topic orders, from bob, a second after the one before."""
    words = f"order {seq}" if text is None else text
    made = MessageRow("orders", seq, "bob", NOON + timedelta(seconds=seq), words)
    return made._replace(**changes)


def rows(first: int, last: int) -> list[MessageRow]:
    return [row(seq) for seq in range(first, last + 1)]


async def add(pilot: Pilot[None], feed: FeedView, new: Iterable[Row]) -> None:
    """Add rows and wait until all of them have been taken in and drawn."""
    feed.add(new)
    while feed.pending:
        feed.drain()
    await pilot.pause()


def lines(widget: Widget) -> list[str]:
    """What the widget draws, a string a line."""
    strips = [widget.render_line(y) for y in range(widget.size.height)]
    return [strip.text.rstrip() for strip in strips]


def texts(feed: FeedView) -> list[str]:
    """The last words of each line that has any: `order 7` of a row."""
    return [" ".join(line.split()[-2:]) for line in lines(feed) if line.strip()]


def screen_of(pilot: Pilot[None]) -> list[str]:
    """What the whole screen shows, a string a line, as the terminal gets it."""
    return [strip.text for strip in pilot.app.screen._compositor.render_strips()]
