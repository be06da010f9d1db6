"""Noticing that a connection has ended, also when nobody says so."""

import asyncio
from collections.abc import Awaitable

from clients.link import Link
from protocol.requests import Ping, encode


async def until_lost(link: Link, heartbeat_s: float) -> str:
    """Return why the connection ended; end it when the other side has fallen silent.

    It is asked every `heartbeat_s` whether it is there, and given up after two of them
    without a byte. While reading is paused it is not asked, for it could not be heard.
    """
    heard, asked = -1, False
    while not await within(asyncio.wait([link.lost]), heartbeat_s):
        await asyncio.sleep(0)  # what came while the program kept the loop busy is heard now
        if link.heard == heard and asked and not link.paused:
            link.abort(f"the broker has not answered for {2 * heartbeat_s:g} s")
            await asyncio.wait([link.lost])
            break
        heard, asked = link.heard, not link.paused
        if asked:
            link.write(encode(Ping(id="heartbeat")))
    return link.lost.result()


async def within(work: Awaitable[object], limit_s: float) -> bool:
    """Wait for `work`, but not longer than `limit_s`; return whether it is done."""
    try:
        async with asyncio.timeout(limit_s):
            await work
    except TimeoutError:
        return False
    return True
