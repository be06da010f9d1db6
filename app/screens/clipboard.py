"""Copying: to the terminal's clipboard, and to this computer's where there is a tool for it.

A terminal is asked with an escape sequence (OSC 52) that it does not answer: some ignore it,
and nothing tells. A tool of the desktop answers, but only reaches the desktop it runs on, so
it is not used over ssh nor in a browser.
"""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from textual.app import App

_logger = logging.getLogger("pubsub.screens")

LIMIT_S = 2.0
# Each with what has to be in the environment for it to have a desktop to go to.
TOOLS = [
    ("wl-copy", "WAYLAND_DISPLAY", ("wl-copy", "--type", "text/plain;charset=utf-8")),
    ("xclip", "DISPLAY", ("xclip", "-selection", "clipboard")),
    ("xsel", "DISPLAY", ("xsel", "--clipboard", "--input")),
]


async def copy(app: App[Any], text: str, what: str) -> str:
    """Copy `text` and return a sentence for a person: where `what` went, as far as is known."""
    writable = text.encode("utf-8", "replace")
    app.copy_to_clipboard(writable.decode())
    command = None if app.is_web else tool(os.environ, sys.platform)
    if command is not None and await _given_to(command, writable):
        return f"{what} copied with {command[0]}, and sent to the terminal's clipboard"
    return f"{what} sent to the terminal's clipboard, if it has one"


def tool(environment: Mapping[str, str], platform: str) -> tuple[str, ...] | None:
    """Return the command that copies its standard input, if this computer has one."""
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return None
    if platform == "darwin":
        return ("pbcopy",) if shutil.which("pbcopy") else None
    for name, needed, command in TOOLS:
        if environment.get(needed) and shutil.which(name):
            return command
    return None


async def _given_to(command: tuple[str, ...], data: bytes) -> bool:
    """Run `command` on `data`; return whether it says that it worked."""
    nowhere = asyncio.subprocess.DEVNULL
    try:
        # It may leave a process behind that serves the clipboard, with what it has open.
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=nowhere, stderr=nowhere
        )
    except OSError as error:
        _logger.warning("%s cannot be run: %s", command[0], error)
        return False
    try:
        async with asyncio.timeout(LIMIT_S):
            await process.communicate(data)
    except TimeoutError:
        process.kill()
        await process.wait()
    return process.returncode == 0
