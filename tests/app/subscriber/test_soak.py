"""The screen under load: it opens on a long backlog and answers while thousands come."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from clients import Publisher
from tests.app.frames import until
from tests.app.subscriber.desk import BOB, Open, subscribed
from tests.process import PUBSUB, environment

BACKLOG = 100_000
RATE, SECONDS = 2_000, int(os.environ.get("PUBSUB_SOAK_S", "3"))
BEATS_S = 0.01


class Lag:
    """How late the event loop is, measured by a heart that should beat every 10 ms."""

    def __init__(self) -> None:
        self.late_s: list[float] = []

    async def beat(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + BEATS_S, loop.time())
            await asyncio.sleep(due - loop.time())
            self.late_s.append(loop.time() - due)

    def p95_ms(self) -> float:
        ordered = sorted(self.late_s)
        return ordered[len(ordered) * 95 // 100] * 1000

    def worst_ms(self) -> float:
        return max(self.late_s) * 1000


@asynccontextmanager
async def measured(what: str) -> AsyncIterator[None]:
    """Print the lag while the block runs, and what of the time this process had a processor.

    The broker is in the same loop, so the lag is that of both.
    """
    lag = Lag()
    task = asyncio.create_task(lag.beat())
    started, cpu_s = asyncio.get_running_loop().time(), time.process_time()
    try:
        yield
    finally:
        task.cancel()
    took = asyncio.get_running_loop().time() - started
    cpu_s = time.process_time() - cpu_s
    words = f"lag p95 {lag.p95_ms():.0f} ms, worst {lag.worst_ms():.0f} ms"
    print(f"\n{what}: {took:.1f} s, {cpu_s:.1f} s of them on a processor, {words}")


async def flood(address: str) -> None:
    """Publish at `RATE` out of another process, as `pubsub pub` does with its input."""
    process = await asyncio.create_subprocess_exec(
        *(*PUBSUB, "pub", "orders.eu", "--connect", address, "--email", BOB),
        stdin=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin is not None
    number = 0
    for _ in range(SECONDS * 20):
        lines = [f'{{"order":{number + place},"state":"new"}}\n' for place in range(RATE // 20)]
        number += len(lines)
        process.stdin.write("".join(lines).encode())
        await asyncio.sleep(1 / 20)
    process.stdin.close()
    assert await process.wait() == 0


@pytest.mark.slow
@pytest.mark.drawn
@pytest.mark.timeout(180)
async def test_a_long_backlog_and_a_flood_all_arrive_and_keys_are_answered(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish_many("orders.eu", (f'{{"order":{number}}}' for number in range(BACKLOG)))
    async with screen() as pilot:
        async with measured(f"opening on {BACKLOG:,} unread"):
            await until(pilot, "live since", 60)
            await until(pilot, f'{{"order":{BACKLOG - 1}}}', 60)
        async with measured(f"{RATE:,}/s for {SECONDS} s"):
            await flood(address)
            await pilot.press("space")
            await until(pilot, "HELD")
            await pilot.press("G")
        await until(pilot, f'{{"order":{RATE * SECONDS - 1},', 60)
        await until(pilot, f"unread {BACKLOG + RATE * SECONDS:,}", 60)
