"""Messages to many topics, few to each: order, seqs, and who is handed a block of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.block import Block
from broker.cache import BlockCache
from broker.gathering import Gathering, Ticket
from broker.log import Log, LogLimits
from broker.publishes import FEW_MESSAGES, MANY_TOPICS, Publishes
from broker.store.errors import BatchOutdated
from broker.store.interface import Account, Batch, Commit, ProducerMark
from broker.topic_messages import BlockLimits
from broker.topics import Topic, Topics
from protocol.frames import split_bodies
from protocol.names import Role
from protocol.reasons import Reason, RequestRefused
from protocol.replies import RequestId
from protocol.requests import PublishMsg
from tests.doubles.memory_store import MemoryStore

WIDE = BlockLimits(count=1_000, size=2**20)


def publishes(*sent: tuple[Topic, str], first_id: int = 1) -> Publishes:
    return Publishes(
        [topic for topic, _ in sent],
        [
            PublishMsg(topic.name, text, first_id + place)
            for place, (topic, text) in enumerate(sent)
        ],
        len(sent),
    )


def texts(bodies: bytes) -> list[str]:
    return [line.decode()[1:-2] for line in split_bodies(bodies)]


class Keeping(MemoryStore):
    """A store that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Batch] = []

    async def append(self, batch: Batch) -> Commit:
        self.batches.append(batch)
        return await super().append(batch)


@dataclass(eq=False)
class Publisher:
    """A session as the log sees it."""

    account: Account
    seqs: list[int] = field(default_factory=list)  # it was answered with, in order
    ids: list[RequestId] = field(default_factory=list)
    refused: list[Reason] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    def settle(self, ticket: Ticket, refused: RequestRefused | None) -> None:
        self.settled.set()
        if refused is not None:
            self.refused.append(refused.reason)
            return
        for asked in ticket.asked:
            assert len(asked.ids) == len(asked.reply_seqs)
            self.ids += asked.ids
            self.seqs += asked.reply_seqs


class Bench:
    """A log on a store that takes scattered messages, and what it hands out."""

    def __init__(self, store: MemoryStore, limits: LogLimits, *, scatters: bool) -> None:
        self.store = store
        self.cache = BlockCache(2**20)
        self.topics = Topics()
        self.delivered: dict[str, list[Block]] = {}
        self.log = Log(store, self.cache, limits, self._deliver)
        self.log.scatters = scatters

    def _deliver(self, topic: Topic, block: Block) -> None:
        assert topic.head == block.last_seq
        assert topic.deleted or self.cache.find(topic.name, block.first_seq) is block
        self.delivered.setdefault(topic.name, []).append(block)

    async def make_topics(self, number: int) -> list[Topic]:
        for place in range(number):
            assert await self.store.create_topic(f"T{place}", 1) is not None
        self.topics.load(await self.store.topics())
        return [*self.topics]

    async def publisher(self, email: str = "shop@b.c") -> Publisher:
        account = await self.store.create_account(email, Role.PUBLISHER)
        assert account is not None
        return Publisher(account)

    def scatter(
        self, publisher: Publisher, sent: Publishes, mark: ProducerMark | None = None
    ) -> Ticket:
        return self.log.append_alternating(
            publisher.account, sent, owner=publisher, settle=publisher.settle, mark=mark
        )

    def publish(
        self, publisher: Publisher, topic: Topic, *messages: str, whole: bool = False
    ) -> Ticket:
        ids: list[RequestId] = [1] if whole else [*range(len(messages))]
        return self.log.append(
            publisher.account,
            [(topic, [*messages], ids)],
            owner=publisher,
            settle=publisher.settle,
            whole=whole,
        )

    async def stored(self, topic: Topic) -> list[str]:
        blocks = await self.store.read(topic.id, 1, 2**30)
        first_seqs = [block.first_seq for block in blocks]
        counts = [block.count for block in blocks]
        assert first_seqs == [1 + sum(counts[:place]) for place in range(len(counts))]
        assert topic.head == sum(counts)
        return [*chain.from_iterable(texts(block.bodies) for block in blocks)]


@asynccontextmanager
async def running(
    store: MemoryStore | None = None,
    *,
    block: BlockLimits = WIDE,
    wait_s: float = 1_000.0,
    scatters: bool = True,
) -> AsyncIterator[Bench]:
    bench = Bench(store or MemoryStore(), LogLimits(block, 2**20, wait_s), scatters=scatters)
    task = asyncio.ensure_future(bench.log.run())
    yield bench
    assert not task.done(), task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.log._pause_s", lambda attempt: 0.0)


def listen(topic: Topic) -> None:
    """Let somebody be live on `topic`."""
    topic.live[Mock()] = None


# what is scattered


def test_publishes_are_scattered_where_they_go_to_many_topics_and_few_to_each() -> None:
    def scattered(topics: int, each: int) -> bool:
        names = [Topic(number, f"T{number}", 0) for number in range(topics)]
        return publishes(*[(topic, "x") for _ in range(each) for topic in names]).scattered

    assert not scattered(MANY_TOPICS - 1, 1)
    assert scattered(MANY_TOPICS, 1)
    assert scattered(MANY_TOPICS, FEW_MESSAGES - 1)
    assert not scattered(MANY_TOPICS, FEW_MESSAGES)
    assert not scattered(2, 20)


async def test_scattered_messages_reach_the_store_as_lists_in_the_order_they_came() -> None:
    store = Keeping()
    async with running(store) as bench:
        topics, shop = await bench.make_topics(20), await bench.publisher()
        sent = [(topic, f"{topic.name} {turn}") for turn in "ab" for topic in topics]
        bench.scatter(shop, publishes(*sent))
        await bench.log.drain()
        (batch,) = store.batches
        assert batch.blocks == []
        assert batch.heads == {}
        assert batch.scattered is not None
        assert batch.scattered.topic_ids == [topic.id for topic, _ in sent]
        assert batch.scattered.publishers == [shop.account.id] * 40
        assert texts(batch.scattered.bodies) == [text for _, text in sent]
        assert shop.seqs == [1] * 20 + [2] * 20
        assert shop.ids == [*range(1, 41)]
        assert bench.log.messages == 40


async def test_few_messages_of_many_publishers_to_topics_of_their_own_are_scattered_too() -> None:
    store = Keeping()
    async with running(store) as bench:
        *topics, large = await bench.make_topics(MANY_TOPICS + 1)
        shops = [await bench.publisher(f"shop{number}@b.c") for number in range(MANY_TOPICS)]
        for shop, topic in zip(shops, topics, strict=True):
            bench.publish(shop, topic, "a", "b", whole=True)
        bench.publish(shops[0], large, *["x"] * FEW_MESSAGES)
        await bench.log.drain()
        (batch,) = store.batches
        assert [block.topic_id for block in batch.blocks] == [large.id]
        assert batch.heads == {large.id: 0}
        assert batch.scattered is not None
        assert len(batch.scattered.topic_ids) == 2 * MANY_TOPICS
        assert [shop.seqs for shop in shops[1:]] == [[1]] * (MANY_TOPICS - 1)
        assert shops[0].seqs == [1, *range(1, FEW_MESSAGES + 1)]


async def test_a_few_topics_become_blocks_as_ever() -> None:
    store = Keeping()
    async with running(store) as bench:
        topics, shop = await bench.make_topics(MANY_TOPICS - 1), await bench.publisher()
        for topic in topics:
            bench.publish(shop, topic, "a")
        await bench.log.drain()
        assert store.batches[0].scattered is None
        assert len(store.batches[0].blocks) == MANY_TOPICS - 1
        assert all(bench.cache.find(topic.name, 1) for topic in topics)
        bench.scatter(shop, publishes(*[(topics[place % 2], "b") for place in range(40)]))
        await bench.log.drain()
        assert store.batches[1].scattered is None
        assert [block.count for block in store.batches[1].blocks] == [20, 20]


async def test_a_store_that_does_not_take_scattered_messages_is_given_none() -> None:
    store = Keeping()
    store.takes_scattered = False
    async with running(store, scatters=False) as bench:
        topics, shop = await bench.make_topics(2 * MANY_TOPICS), await bench.publisher()
        for topic in topics:
            bench.publish(shop, topic, "a")
        await bench.log.drain()
        assert store.batches[0].scattered is None
        assert len(store.batches[0].blocks) == 2 * MANY_TOPICS


async def test_scattered_messages_and_their_ids_count_as_others_do() -> None:
    topics = [Topic(number, f"T{number}", 0) for number in range(20)]
    account = Account(1, "shop@b.c", Role.PUBLISHER)
    gathering, mine, other = Gathering(0.0), Ticket(Mock()), Ticket(Mock())
    gathering.add_scattered(publishes(*[(one, "x" * 1_000) for one in topics]), account, mine)
    gathering.add(topics[0], account, ["y" * 1_000], ["n" * 100], False, other)
    assert 20_000 < mine.size < 25_000
    assert 1_100 < other.size < 1_600
    assert gathering.size == mine.size + other.size


# order


calls = st.lists(
    st.one_of(
        st.tuples(st.just("plain"), st.integers(0, 1), st.lists(st.integers(0, 5), max_size=1)),
        st.tuples(
            st.sampled_from(["alternating", "scattered"]),
            st.integers(0, 1),
            st.lists(st.integers(0, 29), min_size=1),
        ),
        st.tuples(st.just("whole"), st.integers(0, 1), st.lists(st.integers(0, 29), max_size=1)),
        st.tuples(st.just("commit"), st.just(0), st.just([0])),
    ),
    max_size=25,
)


async def carry_out(
    calls: list[tuple[str, int, list[int]]], listened: set[int], *, scatters: bool
) -> tuple[list[list[int]], list[list[str]], dict[str, list[str]]]:
    """Return the seqs by publisher, the texts by topic, and what was delivered of `listened`."""
    store = MemoryStore()
    store.takes_scattered = scatters
    sent: list[list[str]] = [[] for _ in range(30)]  # by topic
    async with running(store, scatters=scatters) as bench:
        topics = await bench.make_topics(30)
        shops = [await bench.publisher("a@b.c"), await bench.publisher("b@b.c")]
        for number in listened:
            listen(topics[number])
        for place, (kind, who, some) in enumerate([*calls, ("commit", 0, [0])]):
            numbers = [*some, *range(30)] if kind == "scattered" else some
            for part, number in enumerate(numbers or [0]):
                if kind != "commit":
                    sent[number].append(f"{place}.{part}")
            if kind == "commit":
                await bench.log.drain()
            elif kind in ("alternating", "scattered") and scatters:
                rows = [(topics[one], f"{place}.{part}") for part, one in enumerate(numbers)]
                bench.scatter(shops[who], publishes(*rows))
            elif kind == "whole":
                bench.publish(shops[who], topics[(numbers or [0])[0]], f"{place}.0", whole=True)
            else:
                for part, one in enumerate(numbers or [0]):
                    bench.publish(shops[who], topics[one], f"{place}.{part}")
        await bench.log.drain()
        stored = [await bench.stored(topic) for topic in topics]
        assert stored == sent
        assert bench.log.messages == sum(map(len, sent))
        delivered = {
            topics[number].name: [
                text
                for block in bench.delivered.get(topics[number].name, [])
                for text in texts(block.bodies)
            ]
            for number in listened
        }
        for number in listened:
            assert delivered[topics[number].name] == sent[number]
        return [shop.seqs for shop in shops], stored, delivered


@given(calls=calls, listened=st.sets(st.integers(0, 29)))
def test_however_calls_are_mixed_each_topic_is_in_order_and_seqs_are_those_of_any_store(
    calls: list[tuple[str, int, list[int]]], listened: set[int]
) -> None:
    one, other = [
        asyncio.run(carry_out(calls, listened, scatters=scatters)) for scatters in (True, False)
    ]
    assert one == other


async def test_what_is_published_after_scattered_messages_of_its_topic_lies_after_them() -> None:
    store = Keeping()
    async with running(store) as bench:
        topics, shop = await bench.make_topics(20), await bench.publisher()
        bench.publish(shop, topics[0], "first")
        bench.scatter(shop, publishes(*[(topic, "second") for topic in topics]))
        bench.publish(shop, topics[0], "third", "fourth", whole=True)
        bench.publish(shop, topics[0], "fifth")
        await bench.log.drain()
        assert await bench.stored(topics[0]) == ["first", "second", "third", "fourth", "fifth"]
        assert shop.seqs == [1, 2, *[1] * 19, 3, 5]
        assert store.batches[0].blocks == []


# who is handed a block


async def test_only_topics_that_somebody_is_live_on_get_a_block_one_a_commit() -> None:
    async with running() as bench:
        topics, shop, depot = (
            await bench.make_topics(20),
            await bench.publisher(),
            await bench.publisher("depot@b.c"),
        )
        listen(topics[3])
        bench.scatter(shop, publishes(*[(topic, text) for text in "ab" for topic in topics]))
        bench.scatter(depot, publishes(*[(topic, "c") for topic in topics]))
        await bench.log.drain()
        assert [*bench.delivered] == ["T3"]
        (block,) = bench.delivered["T3"]
        assert (block.first_seq, block.count, texts(block.bodies)) == (1, 3, ["a", "b", "c"])
        assert block.publishers == ("shop@b.c", "shop@b.c", "depot@b.c")
        assert [block.committed_at] == [one.committed_at for one in bench.store.commits]
        assert [topic.name for topic in topics if bench.cache.find(topic.name, 1)] == ["T3"]
        assert {topic.head for topic in topics} == {3}


async def test_blocks_of_scattered_messages_keep_within_the_limits() -> None:
    async with running(block=BlockLimits(count=2, size=2**20)) as bench:
        topics, shop = await bench.make_topics(20), await bench.publisher()
        listen(topics[0])
        for text in "abc":
            bench.scatter(shop, publishes(*[(topic, text) for topic in topics]))
        await bench.log.drain()
        blocks = bench.delivered["T0"]
        assert [(block.first_seq, texts(block.bodies)) for block in blocks] == [
            (1, ["a", "b"]),
            (3, ["c"]),
        ]


async def test_nothing_of_a_topic_that_was_deleted_meanwhile_is_cached() -> None:
    async with running() as bench:
        topics, shop = await bench.make_topics(20), await bench.publisher()
        listen(topics[0])
        bench.scatter(shop, publishes(*[(topic, "a") for topic in topics]))
        bench.topics.remove(topics[0])
        await bench.log.drain()
        assert bench.cache.find("T0", 1) is None


# a store that fails


async def test_scattered_messages_whose_answer_was_lost_are_stored_and_answered_once() -> None:
    async with running() as bench:
        topics, shop = await bench.make_topics(20), await bench.publisher()
        listen(topics[0])
        bench.store.lose_answer()
        bench.scatter(shop, publishes(*[(topic, "a") for topic in topics]))
        await bench.log.drain()
        assert bench.store.appends == 2
        assert shop.seqs == [1] * 20
        assert len(bench.delivered["T0"]) == 1
        assert [await bench.stored(topic) for topic in topics] == [["a"]] * 20


async def test_scattered_messages_that_are_refused_are_stored_by_nobody() -> None:
    async with running() as bench:
        topics, shop = await bench.make_topics(20), await bench.publisher()
        bench.store.refuse()
        bench.scatter(shop, publishes(*[(topic, "a") for topic in topics]))
        await bench.log.drain()
        assert (shop.seqs, shop.refused) == ([], [Reason.STORE_UNAVAILABLE])
        bench.store.restore()
        bench.scatter(shop, publishes(*[(topic, "b") for topic in topics]))
        await bench.log.drain()
        assert shop.seqs == [1] * 20
        assert [await bench.stored(topic) for topic in topics] == [["b"]] * 20


async def test_scattered_messages_found_stored_after_all_are_delivered_though_not_answered() -> (
    None
):
    async with running(wait_s=0) as bench:
        topics, shop = await bench.make_topics(20), await bench.publisher()
        listen(topics[7])
        bench.store.lose_answer()
        bench.scatter(shop, publishes(*[(topic, "a") for topic in topics]))
        await shop.settled.wait()
        assert shop.refused == [Reason.STORE_UNAVAILABLE]
        await bench.log.find_out()
        assert [*bench.delivered] == ["T7"]
        assert {topic.head for topic in topics} == {1}


@pytest.mark.parametrize("joined", [True, False])
async def test_a_producer_that_is_outdated_takes_its_scattered_messages_with_it(
    joined: bool,
) -> None:
    async with running() as bench:
        topics, shop, depot = (
            await bench.make_topics(20),
            await bench.publisher(),
            await bench.publisher("depot@b.c"),
        )
        begun = await bench.store.begin_producer(shop.account.id, "till")
        assert begun is not None
        await bench.store.begin_producer(shop.account.id, "till")  # by a newer session
        bench.scatter(shop, publishes(*[(topic, "gone") for topic in topics]), begun)
        if joined:
            bench.publish(depot, topics[0], "a")
            bench.scatter(depot, publishes(*[(topic, "b") for topic in topics]))
        bench.publish(depot, topics[0], "c", "d", whole=True)
        await bench.log.drain()
        assert (shop.seqs, shop.refused) == ([], [Reason.TAKEN_OVER])
        assert await bench.stored(topics[0]) == [*("abcd" if joined else "cd")]
        assert depot.seqs == ([1, 2, *[1] * 19, 3] if joined else [1])


def test_what_alternates_is_answered_in_the_order_asked_also_where_something_is_taken_out() -> None:
    topics = [Topic(number, f"T{number}", 0) for number in range(3)]
    account = Account(1, "shop@b.c", Role.PUBLISHER)
    gathering, mine, other = Gathering(0.0), Ticket(Mock()), Ticket(Mock())
    gathering.tickets = {1: mine, 2: other}
    gathering.add_alternating(publishes((topics[0], "gone"), (topics[2], "gone")), account, other)
    sent = publishes(*[(topics[place % 2], "x") for place in range(5)], first_id=7)
    gathering.add_alternating(sent, account, mine)
    gathering.take_out(BatchOutdated(frozenset([2])))
    blocks = gathering.blocks(WIDE)
    assert [(block.topic_name, block.count) for block in blocks] == [("T0", 3), ("T1", 2)]
    assert [*gathering.committed(blocks, Commit([21, 1], datetime.now(UTC)))] != []
    (asked,) = mine.asked
    assert [*zip(asked.ids, asked.reply_seqs, strict=True)] == [
        *((7, 21), (8, 1), (9, 22), (10, 2), (11, 23))
    ]


def test_where_the_scattered_messages_are_taken_out_what_is_left_becomes_blocks() -> None:
    topics = [Topic(number, f"T{number}", 0) for number in range(20)]
    account = Account(1, "shop@b.c", Role.PUBLISHER)
    gathering, mine, other = Gathering(0.0), Ticket(Mock()), Ticket(Mock())
    gathering.tickets = {1: mine, 2: other}
    gathering.add(topics[0], account, ["a"], [1], False, other)
    gathering.add_scattered(publishes(*[(topic, "gone") for topic in topics]), account, mine)
    gathering.take_out(BatchOutdated(frozenset([19])))
    assert len(gathering.page()) == 0
    assert [block.topic_name for block in gathering.blocks(WIDE, gathering.page())] == ["T0"]


@given(st.data())
def test_of_scattered_messages_too_the_outdated_are_taken_out_and_the_rest_keeps_its_order(
    data: st.DataObject,
) -> None:
    topics = [Topic(number, f"T{number}", 0) for number in range(5)]
    account = Account(1, "shop@b.c", Role.PUBLISHER)
    gathering, tickets = Gathering(0.0), [Ticket(Mock()) for _ in range(3)]
    sent: list[tuple[Ticket, Topic, str]] = []
    for number in range(data.draw(st.integers(0, 12))):
        ticket = data.draw(st.sampled_from(tickets))
        gathering.tickets[id(ticket)] = ticket
        rows = data.draw(st.lists(st.sampled_from(topics), min_size=1, max_size=6))
        if len(set(rows)) == 1:
            gathering.add(rows[0], account, [f"{number}"] * len(rows), [1], True, ticket)
            sent += [(ticket, topic, f"{number}") for topic in rows]
        else:
            own = [(topic, f"{number}.{place}") for place, topic in enumerate(rows)]
            add = data.draw(st.sampled_from([gathering.add_alternating, gathering.add_scattered]))
            add(publishes(*own), account, ticket)
            sent += [(ticket, topic, text) for topic, text in own]
    outdated = BatchOutdated(frozenset(data.draw(st.sets(st.integers(0, 4), max_size=1))))
    gone = {id(ticket) for ticket in gathering.take_out(outdated)}
    assert gone == {id(ticket) for ticket, topic, _ in sent if topic.id in outdated.topics}
    page = gathering.page()
    blocks = gathering.blocks(WIDE, page)
    scattered = gathering.batch(1, blocks, page).scattered
    found: dict[int, list[str]] = {}
    for block in blocks:
        number = int(block.topic_name[1:])
        assert number not in found
        found[number] = texts(block.bodies)
    if scattered is not None:
        assert found.keys().isdisjoint(scattered.topic_ids)
        for number, text in zip(scattered.topic_ids, texts(scattered.bodies), strict=True):
            found.setdefault(number, []).append(text)
    kept: dict[int, list[str]] = {}
    for ticket, topic, text in sent:
        if id(ticket) not in gone:
            kept.setdefault(topic.id, []).append(text)
    assert found == kept
