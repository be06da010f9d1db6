"""Three servers of which one is killed or frozen while three brokers' stores append."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count

import pytest

from broker.store.errors import StoreLost
from broker.store.interface import Account, Batch, Commit, ProducerMark, TopicRecord
from tests.broker.store.jetstream.conftest import Side, batch, block
from tests.nats import FORGOTTEN, NatsCluster, NatsServer, nats_cluster, needs_nats

pytestmark = [
    needs_nats,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings(FORGOTTEN),
]

BACK_S = 60.0  # an election takes 5 to 10 s where the machine is busy
_prefixes = count(1)


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsCluster]:
    async with nats_cluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


@pytest.fixture
async def sides(cluster: NatsCluster) -> AsyncIterator[list[Side]]:
    """Three brokers' stores, each connected to another server."""
    prefix = f"c{next(_prefixes)}"
    stores = [Side(f"{one.url}?prefix={prefix}") for one in cluster.servers]
    for store in stores:
        await store.open()
    yield stores
    for store in stores:
        await store.close()


class Writer:
    """Appends one batch after the other and repeats what had no answer, as a broker does."""

    def __init__(self, store: Side, name: str, topics: list[TopicRecord], shop: Account) -> None:
        self._store = store
        self._name = name
        self._topics = topics
        self._shop = shop
        self._stored = asyncio.Condition()
        self.acknowledged: dict[tuple[int, int], str] = {}  # by topic and seq
        self.lost = 0
        self.longest_s = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        mark = await self._store.begun(self._shop, self._name)
        for number in count(1):
            began = loop.time()
            mark = replace(mark, last_id=number)
            await self._store_one(number, mark)
            self.longest_s = max(self.longest_s, loop.time() - began)

    async def _store_one(self, number: int, mark: ProducerMark) -> None:
        texts = [f"{self._name}.{number}.{place}" for place in range(3)]
        topics = [self._topics[number % len(self._topics)]]
        wanted = batch(*(block(topic, self._shop, *texts) for topic in topics), marks=(mark,))
        commit = await self._answered(wanted)
        for topic, first in zip(topics, commit.first_seqs, strict=True):
            for seq, text in enumerate(texts, first):
                assert (topic.id, seq) not in self.acknowledged
                self.acknowledged[topic.id, seq] = text
        async with self._stored:
            self._stored.notify_all()

    async def _answered(self, wanted: Batch) -> Commit:
        while True:
            try:
                return await self._store.append(wanted)
            except StoreLost:
                self.lost += 1
                await asyncio.sleep(0.05)

    async def goes_on(self, times: int = 30) -> None:
        """Return when so many more have been acknowledged."""
        wanted = len(self.acknowledged) + 3 * times
        async with asyncio.timeout(BACK_S), self._stored:
            await self._stored.wait_for(lambda: len(self.acknowledged) >= wanted)


class Traffic:
    """Writers at all stores, and the checks when they are done."""

    def __init__(self, sides: list[Side]) -> None:
        self._sides = sides

    async def __aenter__(self) -> "Traffic":
        shop = await self._sides[0].account("shop@b.c")
        self.topics = [await self._sides[0].topic(f"T{number}", shop) for number in range(2)]
        self.writers = [
            Writer(store, f"w{number}", self.topics, shop)
            for number, store in enumerate(self._sides)
        ]
        self._tasks = [asyncio.ensure_future(writer.run()) for writer in self.writers]
        await self.go_on()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def go_on(self) -> None:
        async with asyncio.TaskGroup() as group:
            for writer in self.writers:
                group.create_task(writer.goes_on())
        for task in self._tasks:
            if task.done():
                task.result()

    async def check(self) -> None:
        """See that all that was acknowledged is there once, at its seq, and in order."""
        for topic in self.topics:
            found = await self._texts(topic)
            assert [*found] == [*range(1, len(found) + 1)]
            assert len({*found.values()}) == len(found)
            for writer in self.writers:
                ours = {
                    seq: text for (one, seq), text in writer.acknowledged.items() if one == topic.id
                }
                assert ours.items() <= found.items()
            for number in range(len(self.writers)):
                texts = [text.split(".") for text in found.values() if text[1] == str(number)]
                order = [(int(batch), int(place)) for _, batch, place in texts]
                assert order == sorted(order)

    async def _texts(self, topic: TopicRecord) -> dict[int, str]:
        """Ask until there is an answer, as a broker does: servers may be electing yet."""
        async with asyncio.timeout(BACK_S):
            while True:
                try:
                    return await self._sides[0].texts(topic)
                except StoreLost:
                    await asyncio.sleep(0.05)


async def stream_leader(cluster: NatsCluster, side: Side, topic: TopicRecord) -> NatsServer:
    while True:
        leader = await cluster.leader(side._names.stream(topic.id))
        if leader is not None:
            return leader
        await asyncio.sleep(0.05)


async def test_nothing_is_lost_when_the_leader_is_killed(
    cluster: NatsCluster, sides: list[Side]
) -> None:
    async with Traffic(sides) as traffic:
        leader = await stream_leader(cluster, sides[0], traffic.topics[0])
        await leader.kill()
        await traffic.go_on()
        await cluster.start_one(leader)
        await traffic.go_on()
    print({one._name: (round(one.longest_s, 1), one.lost) for one in traffic.writers})
    await traffic.check()


async def test_nothing_is_lost_when_a_follower_is_killed(
    cluster: NatsCluster, sides: list[Side]
) -> None:
    async with Traffic(sides) as traffic:
        leader = await stream_leader(cluster, sides[0], traffic.topics[0])
        follower = next(one for one in cluster.servers if one is not leader)
        await follower.kill()
        await traffic.go_on()
        await cluster.start_one(follower)
        await traffic.go_on()
    print({one._name: (round(one.longest_s, 1), one.lost) for one in traffic.writers})
    await traffic.check()


async def test_without_a_majority_nothing_is_acknowledged_and_then_all_goes_on(
    cluster: NatsCluster, sides: list[Side]
) -> None:
    async with Traffic(sides) as traffic:
        leader = await stream_leader(cluster, sides[0], traffic.topics[0])
        others = [one for one in cluster.servers if one is not leader]
        await asyncio.gather(*(one.kill() for one in others))
        stood = [len(writer.acknowledged) for writer in traffic.writers]
        await asyncio.sleep(5)  # there is no event for nothing
        assert [len(writer.acknowledged) for writer in traffic.writers] == stood
        await asyncio.gather(*(cluster.start_one(one) for one in others))
        await traffic.go_on()
    await traffic.check()


async def test_nothing_is_lost_when_the_leader_is_frozen(
    cluster: NatsCluster, sides: list[Side]
) -> None:
    async with Traffic(sides) as traffic:
        leader = await stream_leader(cluster, sides[0], traffic.topics[0])
        leader.freeze()
        await traffic.go_on()
        leader.thaw()
        await traffic.go_on()
    print({one._name: (round(one.longest_s, 1), one.lost) for one in traffic.writers})
    await traffic.check()
