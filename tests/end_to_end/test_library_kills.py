"""A publisher and a subscriber of the library run on while what they talk to is killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from clients import Phase, Publisher, Receipt, State, Subscriber
from clients.backoff import Backoff
from clients.outbox import Publication
from tests.process import BrokerProcess, running_broker, start_broker

BROKER_KILLS = 20
POSTGRES_KILLS = 4
AT_ONCE = Backoff(first_s=0.01, longest_s=0.05)


class Traffic:
    """A program that publishes 0, 1, 2, ... without a pause, and one that takes them.

    Each number that the broker acknowledged is in `receipts`, each that was handed to the
    taking program in `taken`, as it was handed.
    """

    def __init__(self, brokers: str) -> None:
        self.lost = 0  # times that a client noticed the loss of its connection
        self.publisher = Publisher(
            brokers, "p@b.c", create=True, backoff=AT_ONCE, on_state=self._told, window=500
        )
        self.subscriber = Subscriber(brokers, "s@b.c", create=True, backoff=AT_ONCE)
        self.receipts: list[Receipt] = []
        self.taken: list[str] = []
        self._came = asyncio.Event()
        self._enough = False

    def _told(self, state: State) -> None:
        self.lost += state.phase is Phase.RECONNECTING and state.attempt == 1

    async def publish(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in self._numbers():
                publication = await self.publisher.send("T", str(number))
                group.create_task(self._note(publication))

    def _numbers(self) -> Iterator[int]:
        for number in count():
            if self._enough:
                return
            yield number

    async def _note(self, publication: Publication) -> None:
        self.receipts.append(await publication)

    async def take(self) -> None:
        async for message in self.subscriber:
            self.taken.append(message.text)
            self._came.set()

    async def go_on(self, messages: int) -> None:
        """Return when so many more messages have been taken."""
        until = len(self.taken) + messages
        while len(self.taken) < until:
            self._came.clear()
            await self._came.wait()

    async def finish(self) -> None:
        """Publish no more, and return when all that was acknowledged has been taken."""
        self._enough = True
        await self.publishing
        await self.go_on(len(self.receipts) - len(self.taken))

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        async with self.publisher, self.subscriber:
            await self.publisher.create_topic("T")
            await self.subscriber.subscribe("T")
            self.publishing = asyncio.create_task(self.publish())
            taking = asyncio.create_task(self.take())
            yield
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def check(self) -> None:
        """Each message was handed out once, in order, and what was acknowledged is there."""
        stored = len(self.receipts)
        assert self.taken == [*map(str, range(stored))]
        assert all(one.seq in (number, None) for number, one in enumerate(self.receipts, 1))
        (topic,) = await self.publisher.topics()
        assert topic.head == stored


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_broker_killed_again_and_again_costs_no_message_and_doubles_none(
    database: str,
) -> None:
    broker = await start_broker("--port", "0", "--store", database)
    traffic = Traffic(broker.connect)
    try:
        async with traffic.going_on():
            for kill in range(BROKER_KILLS):
                await traffic.go_on(1 + 97 * kill)
                broker = await killed_and_restarted(broker, database)
            await traffic.finish()
            await traffic.check()
    finally:
        ended = await broker.stop()
    assert ended.code == 0
    # A kill that follows soon on another may come before the publisher was back.
    assert BROKER_KILLS / 2 < traffic.lost <= BROKER_KILLS


async def killed_and_restarted(broker: BrokerProcess, database: str) -> BrokerProcess:
    await broker.kill()
    return await start_broker("--port", str(broker.port), "--store", database)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_an_embedded_postgresql_killed_again_and_again_costs_no_message_either(
    data_dir: Path,
) -> None:
    async with running_broker("--data-dir", data_dir) as broker:
        traffic = Traffic(broker.connect)
        async with traffic.going_on():
            for kill in range(POSTGRES_KILLS):
                await traffic.go_on(1 + 997 * kill)
                os.kill(postmaster(data_dir), signal.SIGKILL)
                await traffic.go_on(2_000)  # more than could be on its way
            await traffic.finish()
            await traffic.check()


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n")[0])
