"""Very many at once: strangers who want nothing good, and subscribers who all come back."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.wire import Wire

SEVERAL = 200  # connections that are begun before others have their turn
CROWD_S = 60

# What a stranger sends, if anything: half a line, garbage, or too much without an end.
SAYINGS = [b"", b'{"action":"connect","user_email":"p', b"\xff\x00\n" * 20, b"x" * 4096]


@asynccontextmanager
async def flood(port: int, count: int, rng: random.Random) -> AsyncIterator[None]:
    """So many connections that never sign in, open while the block runs."""
    strangers: list[socket.socket] = []
    try:
        for number in range(count):
            strangers.append(_stranger(port, rng.choice(SAYINGS)))
            if number % SEVERAL == 0:
                await asyncio.sleep(0)
        slow = asyncio.create_task(_dribble(strangers))
        try:
            yield
        finally:
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
    finally:
        for one in strangers:
            one.close()


def _stranger(port: int, saying: bytes) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    with suppress(BlockingIOError, OSError):  # it connects when it can, or never
        one.connect(("127.0.0.1", port))
    with suppress(OSError):
        one.send(saying)
    return one


async def _dribble(strangers: list[socket.socket]) -> None:
    """Send a byte now and then, as slow clients do."""
    while strangers:
        for number, one in enumerate(strangers):
            with suppress(OSError):
                one.send(b" ")
            if number % SEVERAL == 0:
                await asyncio.sleep(0.01)


async def crowd_back(port: int, count: int) -> None:
    """So many subscribers connect, lose their connections in one moment, and are back at once.

    Raises:
        TimeoutError: some are not back within a minute.
    """
    crowd = [f"crowd{number}@b.c" for number in range(count)]
    async with asyncio.timeout(CROWD_S):
        for turn in range(2):
            sessions = await asyncio.gather(
                *[_sign_in(port, one, create=not turn) for one in crowd]
            )
            for wire in sessions:
                wire.writer.transport.abort()


async def _sign_in(port: int, email: str, *, create: bool) -> Wire:
    """Sign in, however often it takes; with `create`, to an account that is made if need be."""
    while True:
        with suppress(OSError, AssertionError):
            wire = await Wire.open(port)
            if create:
                await wire.ask("create", user_email=email, user_type="subscriber")
            if (await wire.ask("connect", user_email=email))["action"] == "success":
                return wire
            wire.writer.transport.abort()
        await asyncio.sleep(0.05)
