"""One round: traffic, faults by plan, and the history of what everybody saw."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from tests.faults.breaking import FAULTS
from tests.faults.checker import Violation, check
from tests.faults.history import (
    Acknowledged,
    Back,
    Delivered,
    Failed,
    Faulted,
    History,
    Sent,
)
from tests.faults.plan import MANY_TOPICS, Plan, Step
from tests.faults.traffic import (
    LibraryPublisher,
    LibrarySubscriber,
    Program,
    RawPublisher,
    RawSubscriber,
    Visitor,
)
from tests.faults.world import World
from tests.patience import until
from tests.wire import Wire

MEMORY_BYTES = 256 * 2**20  # the cache is 16 MiB, and Python with its libraries about 80
BACK_S = 60  # the service is back so long after a fault, at the latest
SETTLE_S = 60

Progress = Callable[[str], None]
Faults = Mapping[str, Callable[[random.Random], Awaitable[None]]]


class Served(Protocol):
    """What a round runs on: brokers that clients come to.

    `ports` may lead through cables that are cut; `direct` are those of the brokers themselves.
    """

    history: History

    @property
    def ports(self) -> list[int]: ...

    @property
    def direct(self) -> list[int]: ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Run until the block is left; then nothing of it is left running."""

    async def stop(self) -> None:
        """Stop the brokers as an operator does."""

    def note_complaints(self) -> None:
        """Take down what the brokers logged that no fault excuses."""


def round_of(
    plan: Plan, folder: Path, progress: Progress, *, hold_s: float = 1.5, crowd: int = 10_000
) -> "Round":
    """Return the round of `plan` on one broker, whose files are in `folder`."""
    hasty = plan.topics >= MANY_TOPICS
    world = World(
        folder, History(), embedded=plan.embedded, hold_s=hold_s, crowd=crowd, hasty=hasty
    )
    return Round(plan, world, {name: partial(do, world) for name, do in FAULTS.items()}, progress)


class Round:
    """Runs a plan on a world. `longest_s` is how long the service was away at most."""

    def __init__(self, plan: Plan, world: Served, faults: Faults, progress: Progress) -> None:
        self.history = world.history
        self.violations: list[Violation] = []
        self.longest_s = 0.0
        self.plan = plan
        self._progress = progress
        self._rng = random.Random(plan.seed)
        self._topics = [f"T{number}" for number in range(plan.topics)]
        self._world = world
        self._faults = faults

    async def run(self) -> list[Violation]:
        """Do all of the plan, or as much as there is to do, and return what was wrong."""
        async with self.going_on():
            for step in self.plan.steps:
                await self.do(step)
        return self.violations

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Keep everybody at work in the block; after it `violations` are known.

        A fault that the service does not come back from ends the block without an error.
        """
        async with self._world.running():
            self._publishers = self._make_publishers()
            self._subscribers = self._make_subscribers()
            await self._set_up()
            try:
                async with self._at_work([*self._publishers, *self._subscribers]):
                    yield
                    await self._settle()
                await self._world.stop()
            except TimeoutError:
                pass  # the history has it, as a fault without an end
            except (AssertionError, OSError) as error:
                self.history.add(Failed(f"the broker could not be asked: {error!r}"))
        if not self.history.log:
            self.history.add(Failed("what is stored could not be read"))
        self._world.note_complaints()
        self.violations = check(self.history, memory_limit=MEMORY_BYTES)

    def _make_publishers(self) -> list[RawPublisher | LibraryPublisher]:
        ports, history = self._world.ports, self.history
        old, new = self.plan.publishers
        how = history, self._pick, self.plan.at_once
        return [
            *(RawPublisher(f"p{n}", _from(ports, n), *how) for n in range(old)),
            *(LibraryPublisher(f"q{n}", _from(ports, n), *how) for n in range(new)),
        ]

    def _make_subscribers(self) -> list[Program]:
        ports, history, away_s = self._world.ports, self.history, self._away_s
        old, new = self.plan.subscribers
        # In version 1 what TCP has taken counts as delivered, and the cable would take it in the
        # place of the subscriber.
        direct = self._world.direct
        visitors = range(self.plan.visitors)
        return [
            *(RawSubscriber(f"s{n}", _from(direct, n), history) for n in range(old)),
            *(LibrarySubscriber(f"t{n}", _from(ports, n), history) for n in range(new)),
            *(Visitor(f"v{n}", _from(ports, n), history, away_s) for n in visitors),
        ]

    def _pick(self) -> str:
        return self._rng.choice(self._topics)

    def _away_s(self) -> float:
        return self._rng.uniform(0, 0.5)

    async def _set_up(self) -> None:
        """Make all accounts, topics and subscriptions, before anything is published."""
        wire = await Wire.open(self._world.ports[0])
        for publisher in self._publishers:
            email = f"{publisher.name}@b.c"
            await wire.ask("create", user_email=email, user_type="publisher")
        for topic in self._topics:
            await wire.ask("create_topic", topic_name=topic)
        for subscriber in self._subscribers:
            email = f"{subscriber.name}@b.c"
            await wire.ask("create", user_email=email, user_type="subscriber")
            for topic in self._topics:
                await wire.ask("subscribe", topic_name=topic)
        await wire.close()

    @asynccontextmanager
    async def _at_work(self, programs: list[Program]) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one.run(), name=one.name) for one in programs]
        self._tasks = tasks
        try:
            for one in programs:
                await one.began.wait()
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task, end in zip(
                tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True
            ):
                if isinstance(end, Exception):
                    self.history.add(Failed(f"{task.get_name()} ended with {end!r}"))

    async def do(self, step: Step) -> None:
        """Break something, and return once everybody is served again."""
        await asyncio.sleep(step.pause_s)
        self.history.add(Faulted(step.fault))
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(BACK_S):
            await self._faults[step.fault](random.Random(step.seed))
            over = loop.time()
            await self._served(len(self.history.events))
        away_s = loop.time() - began
        self.longest_s = max(self.longest_s, away_s)
        self.history.add(Back(step.fault))
        self._progress(
            f"{step.fault}: over after {over - began:.2f} s, served after {away_s:.2f} s"
        )

    async def _served(self, start: int) -> None:
        """Return once each subscriber has something that was sent after event `start`."""
        sent: set[str] = set()
        stored: set[str] = set()
        delivered: dict[str, set[str]] = {one.name: set() for one in self._subscribers}
        seen = start

        def found() -> bool:
            nonlocal seen
            for event in self.history.events[seen:]:
                if isinstance(event, Sent):
                    sent.add(event.text)
                elif isinstance(event, Acknowledged):
                    stored.add(event.text)
                elif isinstance(event, Delivered):
                    delivered[event.subscriber].add(event.text)
            seen = len(self.history.events)
            return all(sent & stored & texts for texts in delivered.values())

        try:
            await until(found)
        except asyncio.CancelledError:
            without = [name for name, texts in delivered.items() if not sent & stored & texts]
            self._progress(f"not served: {', '.join(without)}; {len(stored)} were stored")
            raise

    async def _settle(self) -> None:
        """Publish no more, and return once every subscriber has everything."""
        self._progress("no more is published; everybody takes what is left")
        self.history.add(Faulted("the last fault"))
        async with asyncio.timeout(SETTLE_S):
            for publisher in self._publishers:
                publisher.finished.set()
            await until(self._all_answered)
            await self._read_log()
            await until(self._all_delivered())
        self.history.add(Back("the last fault"))

    def _all_answered(self) -> bool:
        return all(task.done() for task in self._tasks[: len(self._publishers)])

    def _all_delivered(self) -> Callable[[], bool]:
        """Return whether what is stored last has come to all, looking at each event once."""
        wanted = {
            (subscriber.name, texts[-1])
            for subscriber in self._subscribers
            for texts in self.history.log.values()
            if texts
        }
        seen = 0

        def found() -> bool:
            nonlocal seen
            for event in self.history.events[seen:]:
                if isinstance(event, Delivered):
                    wanted.discard((event.subscriber, event.text))
            seen = len(self.history.events)
            return not wanted

        return found

    async def _read_log(self) -> None:
        """Read what is stored, from every broker: in the end they tell the same.

        A broker that has not heard yet what another one has stored tells less for a moment.
        """
        told: list[dict[str, list[str]]] = []

        async def agreed() -> bool:
            told[:] = [await self._told_at(port) for port in self._world.ports]
            return all(one == told[0] for one in told)

        try:
            await until(agreed)
        except asyncio.CancelledError:
            lengths = [{topic: len(texts) for topic, texts in one.items()} for one in told]
            self._progress(f"brokers tell of so many messages: {lengths}")
            raise
        self.history.log.update(told[0])

    async def _told_at(self, port: int) -> dict[str, list[str]]:
        wire = await Wire.open(port)
        await wire.ask("connect", user_email=f"{self._publishers[0].name}@b.c", version=2)
        told = {topic: await _stored(wire, topic) for topic in self._topics}
        await wire.close()
        return told


async def _stored(wire: Wire, topic: str) -> list[str]:
    texts: list[str] = []
    while True:
        answer = await wire.ask("history", topic_name=topic, after=len(texts), limit=1000)
        page = [text for block in answer["blocks"] for text in block["messages"]]
        if not page:
            return texts
        texts += page


def _from(ports: list[int], number: int) -> list[int]:
    """Return `ports` so that programs begin at different ones."""
    number %= len(ports)
    return ports[number:] + ports[:number]


def counted(history: History) -> str:
    """Say in a line how much there was to check."""
    kinds = [type(event) for event in history.events]
    return (
        f"{kinds.count(Sent)} published, {kinds.count(Acknowledged)} acknowledged,"
        f" {sum(map(len, history.log.values()))} stored, {kinds.count(Delivered)} delivered"
    )
