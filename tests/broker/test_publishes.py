"""Publishes that go from topic to topic, from a session's request to its answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from broker.block import Block
from broker.gathering import MOST_RUNS
from broker.hub import Hub
from broker.publishes import MANY_TOPICS
from broker.seldom import Seldom
from broker.session import Session
from broker.settings import Settings
from broker.store.interface import Batch, Commit, NewBlock
from protocol.frames import split_bodies
from tests.doubles.memory_store import MemoryStore
from tests.doubles.outlet import FakeOutlet
from tests.wire import until

SUCCESS = {"action": "success", "code": 0}


class Client(FakeOutlet):
    """A connection without a network, its session, and what that has written."""

    source = "here"

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.session = Session(hub, self)
        self._read = 0
        self.finished = False

    def finish(self) -> None:
        self.finished = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def send(self, *requests: dict[str, Any]) -> None:
        """Let all of them arrive in one piece."""
        self.session.receive([msgspec.json.encode(request) for request in requests])

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for frame in self.frames for line in frame.splitlines()]

    async def read(self, count: int) -> list[dict[str, Any]]:
        """Return the next lines, once there are so many."""
        await until(lambda: len(self.lines) >= self._read + count)
        found = self.lines[self._read : self._read + count]
        self._read += count
        return found


class Bench:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.hub = Hub(Settings(store_url="memory"), store, Seldom())
        self.hub.fit(store.block_bytes, takes_scattered=store.takes_scattered)

    async def client(self, email: str, role: str, **keys: Any) -> Client:
        client = Client(self.hub)
        client.send({"action": "create", "user_email": email, "user_type": role} | keys)
        assert (await client.read(1))[0]["action"] == "success"
        return client

    async def publisher(self, topics: int, **keys: Any) -> Client:
        """Return a publisher who has made topics, called T0, T1 and so on."""
        client = await self.client("shop@b.c", "publisher", **keys)
        for number in range(topics):
            client.send({"action": "create_topic", "topic_name": f"T{number}"})
        await client.read(topics)
        return client

    async def subscriber(self, *topics: str, version: int = 2) -> Client:
        client = await self.client("ann@b.c", "subscriber", version=version)
        client.send(*[{"action": "subscribe", "topic_name": topic} for topic in topics])
        await client.read(len(topics))
        client.frames.clear()
        return client

    async def stored(self, topic: str) -> list[str]:
        blocks = await self.store.read(self.hub.topics.named(topic).id, 1, 2**30)
        return [line.decode()[1:-2] for block in blocks for line in split_bodies(block.bodies)]


@asynccontextmanager
async def running(
    store: MemoryStore | None = None, *, takes_scattered: bool = True
) -> AsyncIterator[Bench]:
    store = store or MemoryStore()
    store.takes_scattered = takes_scattered
    bench = Bench(store)
    task = asyncio.ensure_future(bench.hub.log.run())
    yield bench
    assert not task.done(), task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bench.hub.close(0)


@pytest.fixture(params=[True, False], ids=["scattered", "by topic"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with running(takes_scattered=request.param) as made:
        yield made


def publish(topic: int, text: str, **keys: Any) -> dict[str, Any]:
    return {"action": "publish_msg", "topic_name": f"T{topic}", "msg": text} | keys


async def test_in_version_1_each_is_answered_and_each_topic_has_its_own(bench: Bench) -> None:
    shop = await bench.publisher(20)
    shop.send(*[publish(topic, f"{turn}") for turn in range(3) for topic in range(20)])
    assert await shop.read(60) == [SUCCESS] * 60
    for topic in range(20):
        assert await bench.stored(f"T{topic}") == ["0", "1", "2"]


async def test_in_version_2_answers_come_in_the_order_asked_each_with_its_own_seq(
    bench: Bench,
) -> None:
    shop = await bench.publisher(20, version=2)
    places = [topic for turn in range(3) for topic in range(20) if topic >= turn]
    ids = [f"n{place}" if place % 3 else place for place in range(len(places))]
    shop.send(*[publish(topic, "x", id=one) for topic, one in zip(places, ids, strict=True)])
    answers = await shop.read(len(places))
    assert [answer["id"] for answer in answers] == ids
    seen: Counter[int] = Counter()
    for topic, answer in zip(places, answers, strict=True):
        seen[topic] += 1
        assert answer["seq"] == seen[topic]


async def test_what_is_not_good_is_answered_in_its_place(bench: Bench) -> None:
    shop = await bench.publisher(20, version=2)
    good = [publish(topic, "x", id=topic) for topic in range(20)]
    more = [publish(topic, "y", id=30 + topic) for topic in range(20)]
    many = {"action": "publish_many", "topic_name": "T3", "msgs": ["a", "b"], "id": 99}
    shop.send(*good, publish(77, "nowhere", id=20), many, *more)
    answers = await shop.read(42)
    assert [answer["id"] for answer in answers] == [*range(21), 99, *range(30, 50)]
    assert [answer.get("reason") for answer in answers if "seq" not in answer] == [
        "topic_not_found"
    ]
    assert answers[21]["seq"] == 2
    assert answers[22 + 3]["seq"] == 4
    assert await bench.stored("T3") == ["x", "a", "b", "y"]


async def test_what_a_producer_repeats_is_stored_once_wherever_it_goes(bench: Bench) -> None:
    till = await bench.publisher(20, version=2, producer="till")
    till.send(*[publish(topic, "x", id=1 + topic) for topic in range(20)])
    assert all("seq" in answer for answer in await till.read(20))
    again = Client(bench.hub)
    again.send({"action": "connect", "user_email": "shop@b.c", "version": 2, "producer": "till"})
    assert (await again.read(1))[0]["last_id"] == 20
    again.send(*[publish(topic, "x", id=1 + topic) for topic in range(20)])
    again.send(*[publish(topic, "y", id=21 + topic) for topic in range(20)])
    answers = await again.read(40)
    assert [answer.get("duplicate", False) for answer in answers] == [True] * 20 + [False] * 20
    for topic in range(20):
        assert await bench.stored(f"T{topic}") == ["x", "y"]


async def test_a_producer_that_goes_to_and_fro_between_two_topics_is_answered_in_order(
    bench: Bench,
) -> None:
    till = await bench.publisher(2, version=2, producer="till")
    count = 2 * MOST_RUNS + 7
    till.send(*[publish(number % 2, "x", id=1 + number) for number in range(count)])
    answers = await till.read(count)
    assert [(one["id"], one["seq"]) for one in answers] == [
        (1 + number, 1 + number // 2) for number in range(count)
    ]


async def test_a_block_is_kept_with_few_ids_of_a_producer_that_goes_to_and_fro() -> None:
    kept: list[int] = []  # ids, by commit

    class ByBlock(MemoryStore):
        block_bytes = 2**20

        async def append(self, batch: Batch) -> Commit:
            kept.append(sum(len(ids) for block in batch.blocks for ids in block.ids.values()))
            return await super().append(batch)

    async with running(ByBlock(), takes_scattered=False) as bench:
        till = await bench.publisher(2, version=2, producer="till")
        count = 2 * MOST_RUNS + 7
        till.send(*[publish(number % 2, "x", id=1 + number) for number in range(count)])
        await till.read(count)
        assert sum(kept) == count
        assert max(kept) <= MOST_RUNS


async def test_subscribers_get_all_in_order_and_none_twice(bench: Bench) -> None:
    shop = await bench.publisher(20)
    ann = await bench.subscriber("T3", "T4")
    for turn in range(3):
        shop.send(*[publish(topic, f"{turn}{part}") for part in "ab" for topic in range(20)])
    await shop.read(120)
    texts = [f"{turn}{part}" for turn in range(3) for part in "ab"]
    for topic in ("T3", "T4"):
        assert [line[2:] for line in ann.lines_v2() if line[1] == topic] == [
            (seq, text) for seq, text in enumerate(texts, 1)
        ]


async def test_who_was_congested_reads_the_rest_from_the_store(bench: Bench) -> None:
    shop = await bench.publisher(20)
    ann = await bench.subscriber("T3", "T4")
    ann.congested_after = 1
    for turn in range(3):
        shop.send(*[publish(topic, f"{turn}") for topic in range(20)])
        await shop.read(20)
    assert len(ann.frames) == 1
    ann.drain()
    assert ann.session.reader is not None
    bench.hub.delivery.advance(ann.session.reader)
    await until(lambda: len(ann.lines_v2()) == 6)
    for topic in ("T3", "T4"):
        assert [line[2:] for line in ann.lines_v2() if line[1] == topic] == [
            (seq, f"{seq - 1}") for seq in (1, 2, 3)
        ]
    shop.send(*[publish(topic, "3") for topic in range(20)])
    await shop.read(20)
    assert {line[1:] for line in ann.lines_v2()[6:]} == {("T3", 4, "3"), ("T4", 4, "3")}


async def test_who_subscribes_later_reads_what_nobody_was_live_for(bench: Bench) -> None:
    shop = await bench.publisher(20, version=2)
    shop.send(*[publish(topic, "old", id=1) for topic in range(20)])
    await shop.read(20)
    ann = await bench.client("ann@b.c", "subscriber", version=2)
    ann.frames.clear()
    ann.send({"action": "subscribe", "topic_name": "T3", "from": "all"})
    await until(lambda: len(ann.frames) == 2)
    ann.frames.pop(0)
    assert ann.lines_v2() == [("unread", "T3", 1, "old")]


async def test_what_the_store_refuses_is_told_of_each(bench: Bench) -> None:
    shop = await bench.publisher(20, version=2)
    bench.store.refuse()
    shop.send(*[publish(topic, "x", id=topic) for topic in range(20)])
    answers = await shop.read(20)
    assert [answer["id"] for answer in answers] == [*range(20)]
    assert {answer["reason"] for answer in answers} == {"store_unavailable"}


# costs


async def test_a_message_to_each_of_a_thousand_topics_makes_no_block_where_nobody_is_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: Counter[str] = Counter()
    for kind in (Block, NewBlock):

        def counted(
            self: Any, *arguments: Any, init: Any = kind.__init__, name: str = kind.__name__
        ) -> None:
            made[name] += 1
            init(self, *arguments)

        monkeypatch.setattr(kind, "__init__", counted)
    async with running() as bench:
        shop = await bench.publisher(1_000)
        ann = await bench.subscriber("T7")
        # The double makes blocks of a page; a store that takes pages does not.
        monkeypatch.setattr(bench.store, "_store_scattered", lambda page, now: [1] * 1_000)
        appends = bench.store.appends
        made.clear()
        shop.send(*[publish(topic, "x") for topic in range(1_000)])
        await shop.read(1_000)
        assert bench.store.appends == appends + 1
        assert made == {"Block": 1}
        assert sum(bench.hub.cache.find(f"T{one}", 1) is not None for one in range(1_000)) == 1
        assert [line[1:] for line in ann.lines_v2()] == [("T7", 1, "x")]


async def test_below_many_topics_messages_are_stored_by_topic() -> None:
    async with running() as bench:
        shop = await bench.publisher(MANY_TOPICS)
        shop.send(*[publish(topic, "x") for topic in range(MANY_TOPICS - 1)])
        await shop.read(MANY_TOPICS - 1)
        assert all(bench.hub.cache.find(f"T{one}", 1) for one in range(MANY_TOPICS - 1))
        shop.send(*[publish(topic, "x") for topic in range(MANY_TOPICS)])
        await shop.read(MANY_TOPICS)
        assert not any(bench.hub.cache.find(f"T{one}", 2) for one in range(MANY_TOPICS))
