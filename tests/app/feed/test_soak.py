"""A flood for ten seconds: the screen goes on answering and nothing is lost."""

import asyncio
import os
from time import perf_counter

import pytest

from app.feed import FeedView
from tests.app.feed.host import row, shown, until

SECONDS = int(os.environ.get("PUBSUB_SOAK_S", "3"))  # 10 for a figure to rely on
RATE = 2000
BATCHES_PER_S = 60
HEARTBEAT_S = 0.01


async def heartbeat(late_s: list[float]) -> None:
    """Note how late the loop wakes this up, until it is cancelled."""
    while True:
        due = perf_counter() + HEARTBEAT_S
        await asyncio.sleep(HEARTBEAT_S)
        late_s.append(perf_counter() - due)


async def flood(feed: FeedView) -> int:
    """Publish to `feed` at the rate, as a client does, and return how many."""
    text = '{"order":12,"state":"paid","total":31.5,"customer":"somebody","lines":[1,2,3]}'
    start, sent = perf_counter(), 0
    while (gone := perf_counter() - start) < SECONDS:
        count = int(gone * RATE) - sent
        feed.add([row(sent + at, text) for at in range(1, count + 1)])
        sent += count
        await asyncio.sleep(1 / BATCHES_PER_S)
    return sent


@pytest.mark.slow
@pytest.mark.drawn
@pytest.mark.parametrize("filtered", ["", "state=paid re:o.*d"])
async def test_a_flood_loses_nothing_and_the_loop_goes_on(
    filtered: str, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = FeedView()
    async with shown(feed, size=(100, 30)) as pilot:
        feed.filter_text = filtered
        late_s: list[float] = []
        beating = asyncio.create_task(heartbeat(late_s))
        sent = await flood(feed)
        await until(pilot, lambda: feed.pending == 0)
        beating.cancel()
        assert feed.matches == (sent, sent)
        assert feed.place == (sent, sent)
    late_s.sort()
    p95_ms, worst_ms = late_s[int(len(late_s) * 0.95)] * 1000, late_s[-1] * 1000
    with capsys.disabled():
        print(
            f"\n{sent:,} rows in {SECONDS} s, loop late p95 {p95_ms:.1f} ms, {worst_ms:.1f} at most"
        )
