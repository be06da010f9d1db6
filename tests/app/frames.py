"""What a screen shows, as text: one line a row, as a person would read it."""

import asyncio
from typing import Any

from textual.app import App
from textual.pilot import Pilot

_BORDERS = "│┃─━╭╮╰╯┏┓┗┛"


def frame(app: App[Any]) -> str:
    """Return the whole screen as text, without colours and without blanks at line ends."""
    width, height = app.size
    screen = app.screen
    strips = screen._compositor.render_strips()  # what the driver is given
    lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips[:height]]
    assert all(len(line) <= width for line in lines)
    return "\n".join(lines)


def words(app: App[Any]) -> str:
    """Return the screen as running text: no borders, no line ends, single blanks."""
    return " ".join("".join(" " if one in _BORDERS else one for one in frame(app)).split())


async def still(pilot: Pilot[Any], limit_s: float = 10.0) -> str:
    """Wait until the screen has stopped changing, and return its frame.

    A text can be there before all around it is: what lies behind a dialog is drawn later.
    """
    async with asyncio.timeout(limit_s):
        shown, same = frame(pilot.app), 0
        while same < 5:
            await pilot.pause(0.03)
            before, shown = shown, frame(pilot.app)
            same = same + 1 if shown == before else 0
        return shown


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
