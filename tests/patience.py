"""Waiting for what happens outside of this process."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(met: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Return once `met()` holds; whoever calls it limits how long that may take."""
    while True:
        found = met()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.02)
