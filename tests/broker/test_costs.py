"""What a message costs, in counts: statements, rows, encodings, writes and reads, never time."""

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import Any

import asyncpg
import pytest

from broker import Broker, Settings
from broker.connection import Connection
from broker.cursor import Cursor
from broker.delivery import Reader
from broker.gathering import Gathering, Run
from broker.hub import Hub
from broker.scattering import ScatteredRun
from broker.seldom import Seldom
from broker.session import Session
from broker.store.interface import Batch, NewBlock
from broker.store.postgres import PostgresStore
from protocol.frames import encode_bodies
from protocol.names import Role
from tests.doubles.memory_store import MemoryStore
from tests.doubles.outlet import FakeOutlet
from tests.wire import Wire

BLOCKS = (3, 1, 5)  # messages in each of the blocks that are published
RETURNING = 1_000  # subscribers that come back at the same time
TABLES = ("accounts", "topics", "blocks", "subscriptions", "producers")


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often something was written to each account's connection."""
    counted: Counter[str] = Counter()
    write = Connection.write

    def count(connection: Connection, data: bytes) -> None:
        account = connection.session.account
        counted[account.email if account is not None else ""] += 1
        write(connection, data)

    monkeypatch.setattr(Connection, "write", count)
    return counted


async def signed_in(broker: Broker, email: str, role: str, version: int = 2) -> Wire:
    wire = await Wire.open(broker.port)
    reply = await wire.ask("create", user_email=email, user_type=role, version=version)
    assert reply["action"] == "success"
    return wire


async def publisher_of(broker: Broker) -> Wire:
    """Return a publisher who has made the topic T."""
    wire = await signed_in(broker, "shop@b.c", "publisher")
    assert (await wire.ask("create_topic", topic_name="T"))["action"] == "success"
    return wire


async def subscribers_of(broker: Broker, version: int, number: int) -> list[Wire]:
    wires = []
    for place in range(number):
        wires.append(await signed_in(broker, f"{version}-{place}@b.c", "subscriber", version))
        assert (await wires[-1].ask("subscribe", topic_name="T"))["action"] == "success"
    return wires


async def publish_blocks(publisher: Wire) -> None:
    """Publish `BLOCKS`: each is one commit, for the next begins when it is answered."""
    for count in BLOCKS:
        reply = await publisher.ask("publish_many", topic_name="T", msgs=["x"] * count)
        assert reply["action"] == "success"


async def close_all(*wires: Wire) -> None:
    for wire in wires:
        await wire.close()


# delivering


async def test_a_block_is_encoded_once_a_version_and_written_once_a_subscriber(
    writes: Counter[str],
) -> None:
    async with Broker(Settings(store_url="memory", port=0), MemoryStore()) as broker:
        publisher = await publisher_of(broker)
        old, new = [await subscribers_of(broker, version, 12) for version in (1, 2)]
        writes.clear()
        await publish_blocks(publisher)
        for wire in old:
            await wire.read_many(sum(BLOCKS))
        for wire in new:
            await wire.read_many(len(BLOCKS))
        assert broker._hub.cache.encodings == 2 * len(BLOCKS)
        assert set(writes.values()) == {len(BLOCKS)}
        assert len(writes) == 1 + 24
        await close_all(publisher, *old, *new)


async def test_a_publisher_is_answered_with_one_write_a_commit(writes: Counter[str]) -> None:
    async with Broker(Settings(store_url="memory", port=0), MemoryStore()) as broker:
        publisher = await publisher_of(broker)
        writes.clear()
        for _ in range(2_000):
            publisher.send("publish_msg", topic_name="T", msg="x")
        await publisher.read_many(2_000)
        assert writes["shop@b.c"] == broker._hub.log.commits < 2_000
        await publisher.close()


@pytest.mark.parametrize("version", [1, 2])
async def test_alternating_between_topics_costs_a_run_a_topic_and_not_one_a_message(
    monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    calls: Counter[str] = Counter()
    add, receive = Gathering._add, Session.receive

    def counted_add(self: Gathering, *arguments: Any) -> Run | ScatteredRun:
        calls["runs"] += 1
        return add(self, *arguments)

    def counted_receive(self: Session, lines: Any) -> None:
        calls["pieces"] += 1
        receive(self, lines)

    async with Broker(Settings(store_url="memory", port=0), MemoryStore()) as broker:
        wire = await signed_in(broker, "shop@b.c", "publisher", version=version)
        for topic in "TU":
            assert (await wire.ask("create_topic", topic_name=topic))["action"] == "success"
        monkeypatch.setattr(Gathering, "_add", counted_add)
        monkeypatch.setattr(Session, "receive", counted_receive)
        for number in range(500):
            wire.send("publish_msg", topic_name="TU"[number % 2], msg=f"{number}", id=number)
        replies = await wire.read_many(500)
        assert {reply["action"] for reply in replies} == {"success"}
        if version == 2:
            answered = [(reply["id"], reply["seq"]) for reply in replies]
            assert answered == [(number, number // 2 + 1) for number in range(500)]
        assert 2 <= calls["runs"] <= 2 * calls["pieces"] < 500
        reading = await subscribers_of(broker, 2, 1)
        for topic, first in (("T", 0), ("U", 1)):
            history = await reading[0].ask("history", topic_name=topic, after=0, limit=250)
            texts = [text for block in history["blocks"] for text in block["messages"]]
            assert texts == [f"{number}" for number in range(first, 500, 2)]
        await close_all(wire, *reading)


async def test_a_publisher_to_a_thousand_topics_costs_no_block_a_topic() -> None:
    store = MemoryStore()
    async with Broker(Settings(store_url="memory", port=0), store) as broker:
        wire = await signed_in(broker, "shop@b.c", "publisher")
        for number in range(1_000):
            wire.send("create_topic", topic_name=f"T{number}")
        await wire.read_many(1_000)
        before = store.appends
        for turn in range(3):
            for number in range(1_000):
                wire.send("publish_msg", topic_name=f"T{number}", msg="x", id=turn)
        replies = await wire.read_many(3_000)
        assert [reply["seq"] for reply in replies] == [
            *chain([1] * 1_000, [2] * 1_000, [3] * 1_000)
        ]
        commits = store.appends - before
        assert commits == broker._hub.log.commits
        # The last of what comes in one piece can be messages to few topics.
        assert sum(len(blocks) for blocks in broker._hub.cache._topics.values()) < 16 * commits
        assert commits < 100
        await wire.close()


async def test_a_thousand_who_come_back_at_once_read_and_encode_each_block_once() -> None:
    store = MemoryStore()
    account = await store.create_account("shop@b.c", Role.PUBLISHER)
    record = await store.create_topic("T", 1)
    assert account is not None
    assert record is not None
    for number, count in enumerate(BLOCKS):
        bodies = encode_bodies(["x"] * count)
        await store.append(Batch(number, [NewBlock(record.id, count, [account.id], bodies)], {}))
    hub = Hub(Settings(store_url="memory", read_ahead_bytes=1), store, Seldom())  # a block a read
    hub.topics.load(await store.topics())
    topic = hub.topics.named("T")
    outlets = [FakeOutlet() for _ in range(RETURNING)]
    back = asyncio.Event()
    left = [RETURNING]

    def came_back() -> None:
        left[0] -= 1
        if not left[0]:
            back.set()

    for outlet in outlets:
        reader = Reader(outlet, 2)
        reader.when_caught_up = came_back
        hub.delivery.attach(Cursor(reader, 1, topic, 0, 0, topic.head))
    await back.wait()
    assert store.reads == len(BLOCKS)
    assert hub.cache.encodings == len(BLOCKS)
    assert {len(outlet.frames) for outlet in outlets} == {len(BLOCKS)}
    await hub.close(0)


# storing


async def rows(database: str) -> set[tuple[str, str, str]]:
    """Return all versions of rows there are: table, place, and the transaction that wrote it."""
    connection = await asyncpg.connect(database)
    found = set()
    for table in TABLES:
        records = await connection.fetch(f"SELECT ctid::text, xmin::text FROM {table}")
        found |= {(table, ctid, xmin) for ctid, xmin in records}
    await connection.close()
    return found


async def test_a_batch_is_one_statement_and_one_commit_whatever_is_in_it(database: str) -> None:
    store = PostgresStore(database)
    await store.open()
    account = await store.create_account("shop@b.c", Role.PUBLISHER)
    assert account is not None
    topics = [await store.create_topic(name, account.id) for name in "TUV"]
    ids = [topic.id for topic in topics if topic is not None for _ in range(3)]
    blocks = [NewBlock(one, 2, [account.id], encode_bodies(["a", "b"])) for one in ids]
    begun = [await store.begin_producer(account.id, f"till {number}") for number in range(4)]
    marks = [replace(mark, last_id=5, refused=(2, 3)) for mark in begun if mark is not None]
    await store.append(Batch(6, blocks, dict.fromkeys(ids, 0)))  # the first asks for types, too
    statements: list[str] = []
    connection = store._writer._connection
    assert connection is not None
    connection.add_query_logger(lambda logged: statements.append(logged.query))
    before = await rows(database)
    await store.append(Batch(7, blocks, dict.fromkeys(ids, 6), marks))
    await asyncio.sleep(0)  # the logger is called in the loop's next turn
    assert len(statements) == 1
    assert not connection.is_in_transaction()
    written = await rows(database) - before
    assert Counter(table for table, _, _ in written) == {"topics": 3, "blocks": 9, "producers": 4}
    assert len({transaction for _, _, transaction in written}) == 1
    await store.close()


async def test_the_first_read_on_a_connection_asks_for_no_types(database: str) -> None:
    store = PostgresStore(database)
    await store.open()
    account = await store.create_account("shop@b.c", Role.PUBLISHER)
    assert account is not None
    topic = await store.create_topic("T", account.id)
    assert topic is not None
    block = NewBlock(topic.id, 2, [account.id], encode_bodies(["a", "b"]))
    await store.append(Batch(6, [block], {topic.id: 0}))
    await store.close()
    again = PostgresStore(database)
    await again.open()
    statements: list[str] = []
    async with again.connections.borrowed() as connection:
        connection.add_query_logger(lambda logged: statements.append(logged.query))
    (read,) = await again.read(topic.id, 1, 1_000_000)
    assert read.publishers == ("shop@b.c",)
    await asyncio.sleep(0)  # the logger is called in the loop's next turn
    assert len(statements) == 1, statements
    await again.close()


@pytest.mark.parametrize("subscribers", [0, 1, 20])
async def test_a_publish_writes_two_rows_however_many_subscribe(
    subscribers: int, database: str
) -> None:
    # Cursors are saved by the clock, which is not to strike in here.
    settings = Settings(store_url=database, port=0, cursor_save_s=3_600.0)
    async with Broker(settings) as broker:
        publisher = await publisher_of(broker)
        here = await subscribers_of(broker, 1, subscribers)
        away = await subscribers_of(broker, 2, subscribers)
        for wire in away:
            await wire.read_until_closed()
            await wire.close()
        before = await rows(database)
        await publisher.ask("publish_many", topic_name="T", msgs=["x"] * 50)
        for wire in here:
            await wire.read_many(50)
        written = await rows(database) - before
        assert Counter(table for table, _, _ in written) == {"topics": 1, "blocks": 1}
        await close_all(publisher, *here)
