"""The lines of standard input, as messages."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec

from app.commands.faults import Failed

READ_BYTES = 256 * 1024
WIDEST = 6  # bytes that a byte of text takes in JSON at most

_encode = msgspec.json.Encoder().encode


async def lines(message_bytes: int) -> AsyncIterator[str]:
    """Yield the lines of standard input as they come.

    A line is what ends with a newline, or what the end of the input leaves.

    Raises:
        Failed: a line is not text, or takes more than `message_bytes` as JSON; those before
            it have been yielded.
    """
    if sys.stdin is None:
        raise Failed("standard input is closed; give the message as an argument")
    number, rest = 0, b""
    while data := await _read(sys.stdin.fileno()):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            number += 1
            yield _message(line, number, message_bytes)
        if len(rest) > message_bytes:
            raise _too_long(number + 1, message_bytes)
    if rest:
        yield _message(rest, number + 1, message_bytes)


def too_long(text: str, message_bytes: int) -> bool:
    """Return whether `text` takes more than `message_bytes` as JSON."""
    return len(text) * WIDEST > message_bytes and len(_encode(text)) > message_bytes


def _message(line: bytes, number: int, message_bytes: int) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise Failed(f"line {number} of the input is not UTF-8 text: {error}") from error
    if too_long(text, message_bytes):
        raise _too_long(number, message_bytes)
    return text


def _too_long(number: int, message_bytes: int) -> Failed:
    return Failed(
        f"line {number} of the input takes more than the {message_bytes} bytes of a message"
    )


async def _read(file: int) -> bytes:
    """Return what can be read from `file`, and nothing at its end.

    It waits in a thread of its own, which does not keep an interrupted program from ending.
    """
    loop = asyncio.get_running_loop()
    got: asyncio.Future[bytes] = loop.create_future()

    def settle(data: bytes, error: OSError | None) -> None:
        if got.done():
            return  # cancelled meanwhile
        if error is None:
            got.set_result(data)
        else:
            got.set_exception(Failed(f"standard input cannot be read: {error.strerror}"))

    def read() -> None:
        data, fault = b"", None
        try:
            data = os.read(file, READ_BYTES)
        except OSError as error:
            fault = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, data, fault)

    threading.Thread(target=read, name="read standard input", daemon=True).start()
    return await got
