"""Many messages a second, and what they do to everyone else: measured while they pass."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from time import perf_counter

from app.demo.actors import Published
from app.demo.stage import Stage

TICK_S = 0.01


@dataclass
class Flood:
    """What was published, and how long things took meanwhile, in milliseconds."""

    published: list[Published] = field(default_factory=list)
    took_s: float = 0.0
    answers_ms: list[float] = field(default_factory=list)  # of another client's requests
    late_ms: list[float] = field(default_factory=list)  # of this program's own clock

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.published]

    def __str__(self) -> str:
        acks = [one.took_ms for one in self.published]
        return (
            f"{len(acks):,} stored at {len(acks) / self.took_s:,.0f}/s;"
            f" ✓ after {percentile(acks, 50):.1f} ms, 99 of 100 within"
            f" {percentile(acks, 99):.0f} ms; others answered in"
            f" {percentile(self.answers_ms, 50):.1f} ms;"
            f" this program late by {percentile(self.late_ms, 95):.1f} ms (95 of 100)"
        )


async def flood(stage: Stage, *, rate: int, seconds: float, stop: asyncio.Event) -> Flood:
    """Publish `rate` messages a second for `seconds`, or until `stop` is set.

    Returns when all are stored.
    """
    found = Flood()
    async with _measured(stage, found):
        began = perf_counter()
        async with asyncio.TaskGroup() as under_way:
            sent, tasks = 0, []
            while (passed_s := perf_counter() - began) < seconds and not stop.is_set():
                due = int(passed_s * rate)
                texts = [f"drop {number}" for number in range(sent + 1, due + 1)]
                sent = due
                if texts:
                    tasks.append(under_way.create_task(stage.bob.publish_all(texts)))
                await asyncio.sleep(TICK_S)
        found.took_s = perf_counter() - began
        found.published = [one for task in tasks for one in task.result()]
    return found


@asynccontextmanager
async def _measured(stage: Stage, found: Flood) -> AsyncIterator[None]:
    """Measure into `found` while the block runs."""
    measuring = [
        asyncio.ensure_future(_measure_answers(stage, found.answers_ms)),
        asyncio.ensure_future(_measure_lateness(found.late_ms)),
    ]
    try:
        yield
    finally:
        for one in measuring:
            one.cancel()
        await asyncio.gather(*measuring, return_exceptions=True)


async def _measure_answers(stage: Stage, answers_ms: list[float]) -> None:
    while True:
        began = perf_counter()
        await stage.seen_by(stage.ada)
        answers_ms.append((perf_counter() - began) * 1000)
        await asyncio.sleep(0.1)


async def _measure_lateness(late_ms: list[float]) -> None:
    while True:
        began = perf_counter()
        await asyncio.sleep(TICK_S)
        late_ms.append((perf_counter() - began - TICK_S) * 1000)


def percentile(values: list[float], percent: int) -> float:
    """Return what `percent` of 100 values are at most; 0 where there are none."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100, method="inclusive")[percent - 1]
