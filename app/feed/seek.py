"""Find the next message that matches, in either direction, without holding up the loop."""

import asyncio

from app.feed.filter import Filter
from app.feed.ring import Ring
from app.feed.rows import MessageRow

STEP_ROWS = 500


async def seek(ring: Ring, filter_: Filter, start: int, direction: int) -> int | None:
    """Return the number of the nearest match after `start` (before it if `direction` is -1)."""
    number = start + direction
    while ring.first <= number < ring.end:
        for _ in range(STEP_ROWS):
            if not ring.first <= number < ring.end:
                return None
            row = ring.row(number)
            if isinstance(row, MessageRow) and filter_.matches(row):
                return number
            number += direction
        await asyncio.sleep(0)
    return None
