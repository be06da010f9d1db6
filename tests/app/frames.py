"""What a screen shows, as text: one line a row, as a person would read it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from syrupy.assertion import SnapshotAssertion
from textual._context import visible_screen_stack
from textual.app import App
from textual.pilot import Pilot

SIZES = [(100, 30), (80, 24), (60, 16)]

Looks = Callable[[Pilot[Any], str], Awaitable[None]]  # waits for the frame of a name

_BORDERS = "│┃─━╭╮╰╯┏┓┗┛"


def frame(app: App[Any]) -> str:
    """Return the whole screen as text, without colours and without blanks at line ends."""
    width, height = app.size
    screen = app.screen
    visible_screen_stack.set(app._background_screens)  # which a dialog leaves visible
    strips = screen._compositor.render_strips()  # what the driver is given
    lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips[:height]]
    assert all(len(line) <= width for line in lines)
    return "\n".join(lines)


def steady(app: App[Any]) -> str:
    """The frame, with what differs from run to run made the same: ports, and a countdown."""
    text = re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: "0" * len(port[0]), frame(app))
    return re.sub(r"reconnecting in \d+ s", "reconnecting in 3599 s", text)


def words(app: App[Any]) -> str:
    """Return the screen as running text: no borders, no line ends, single blanks."""
    return " ".join("".join(" " if one in _BORDERS else one for one in frame(app)).split())


async def settled(
    pilot: Pilot[Any], kept: SnapshotAssertion, of: Callable[[App[Any]], str] = frame
) -> str:
    """Wait until what `of` makes of the screen is what `kept` has, and return it.

    All that belongs to a frame is seldom drawn at once, and on a busy machine the rest takes its
    time. Where the frame never comes, what is shown instead is returned after ten seconds; where
    frames are being written, what is shown once it has stopped changing.
    """
    shown, same = of(pilot.app), 0
    expected = _expected(kept)
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while shown != expected and not (kept.update_snapshots and same == 10):
                await pilot.pause(0.03)
                before, shown = shown, of(pilot.app)
                same = same + 1 if shown == before else 0
    return shown


def _expected(kept: SnapshotAssertion) -> object:
    if kept.update_snapshots:
        return None
    return kept.session.recall_snapshot(kept.extension, kept.test_location, kept.index)


async def gone(pilot: Pilot[Any], text: str) -> None:
    """Wait until the screen does not show `text` any more."""
    async with asyncio.timeout(10):
        while text in words(pilot.app):
            await pilot.pause(0.01)


async def until(pilot: Pilot[Any], text: str, limit_s: float = 10.0) -> str:
    """Wait until the screen shows `text`, over line ends too, and return the frame that does.

    Fails with what is shown instead.
    """
    try:
        async with asyncio.timeout(limit_s):
            while text not in words(pilot.app) and text not in frame(pilot.app):
                await pilot.pause(0.01)
    except TimeoutError:
        raise AssertionError(f"no {text!r} in\n{frame(pilot.app)}") from None
    return frame(pilot.app)
