"""The journal: what goes to many topics is on disk in one row, and in blocks a little later."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import asyncpg
import pytest

from broker.store.errors import BatchOutdated, StoreLost, StoreRefused
from broker.store.interface import Account, Batch, Commit, NewBlock, ProducerMark, Scattered
from broker.store.postgres import PostgresStore, journal, mover
from protocol.frames import encode_bodies, split_bodies
from protocol.names import Role

PLENTY = 2**20

_batch_ids = count(1)

Stored = tuple[str, str, datetime]  # body, publisher, committed at


@pytest.fixture
async def admin(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else to the same database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
def never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is moved when a test says so."""
    monkeypatch.setattr(mover, "OLDEST_S", 3_600.0)


async def opened(database: str, *, alone: bool = True) -> PostgresStore:
    store = PostgresStore(database, alone=alone)
    await store.open()
    return store


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    store = await opened(database)
    yield store
    await store.close()


async def made(store: PostgresStore, email: str, role: Role = Role.PUBLISHER) -> Account:
    account = await store.create_account(email, role)
    assert account is not None
    return account


async def made_topics(store: PostgresStore, number: int, creator: Account) -> list[int]:
    records = [await store.create_topic(f"T{place}", creator.id) for place in range(number)]
    return [record.id for record in records if record is not None]


def scattered(publisher: Account, messages: list[tuple[int, str]], **marks: ProducerMark) -> Batch:
    """Return a batch of these messages, each with its topic."""
    return Batch(
        next(_batch_ids),
        [],
        {},
        [*marks.values()],
        Scattered(
            [topic for topic, _ in messages],
            [publisher.id] * len(messages),
            encode_bodies([text for _, text in messages]),
        ),
    )


def in_a_block(topic: int, publisher: Account, *messages: str) -> Batch:
    block = NewBlock(topic, len(messages), [publisher.id], encode_bodies(messages))
    return Batch(next(_batch_ids), [block], {topic: 0})


async def in_the_end(store: PostgresStore, batch: Batch) -> Commit:
    """Append the batch, again where the store was lost meanwhile, as the log does."""
    while True:
        try:
            return await store.append(batch)
        except StoreLost:
            await asyncio.sleep(0)


async def all_of(store: PostgresStore, topic: int, seq: int = 1) -> dict[int, Stored]:
    """Return a topic's messages by seq, read on and on; none is missing in between."""
    found: dict[int, Stored] = {}
    limit = random.choice([1, 200, PLENTY])
    while blocks := await store.read(topic, seq, limit):
        for block in blocks:
            lines = split_bodies(block.bodies)
            assert len(lines) == block.count
            assert block.first_seq <= seq <= block.first_seq + block.count - 1
            each = len(block.publishers) > 1
            for place, line in enumerate(lines):
                who = block.publishers[place if each else 0]
                found[block.first_seq + place] = (line.decode(), who, block.committed_at)
            seq = block.first_seq + block.count
    return found


async def counted(admin: asyncpg.Connection, table: str) -> int:
    number = await admin.fetchval(f"SELECT count(*) FROM {table}")
    assert isinstance(number, int)
    return number


async def test_messages_to_many_topics_take_one_row_and_are_read_before_and_after_the_move(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop = await made(store, "shop@b.c")
    topics = await made_topics(store, 3, shop)
    commits = []
    for number in range(4):
        messages = [(topic, f"{number} {topic}") for topic in topics] + [(topics[0], "more")]
        commits.append(await store.append(scattered(shop, messages)))
    assert [[*commit.scattered_seqs] for commit in commits] == [
        [1, 1, 1, 2], [3, 2, 2, 4], [5, 3, 3, 6], [7, 4, 4, 8]
    ]  # fmt: skip
    assert (await counted(admin, "journal"), await counted(admin, "blocks")) == (4, 0)
    assert [record.head for record in await store.topics()] == [8, 4, 4]
    before = [await all_of(store, topic) for topic in topics]
    assert before[1] == {
        number + 1: (f'"{number} {topics[1]}"\n', "shop@b.c", commits[number].committed_at)
        for number in range(4)
    }
    await store.move_journal()
    assert (await counted(admin, "journal"), await counted(admin, "blocks")) == (0, 3)
    assert [await all_of(store, topic) for topic in topics] == before
    assert [record.head for record in await store.topics()] == [8, 4, 4]


async def left_in_the_journal(database: str, count: int, *texts: str) -> tuple[Account, list[int]]:
    """Publish `texts` to so many topics and end, which moves nothing; return who and where to."""
    store = await opened(database)
    shop = await made(store, "shop@b.c")
    topics = await made_topics(store, count, shop)
    for text in texts:
        await store.append(scattered(shop, [(topic, text) for topic in topics]))
    await store.close()
    return shop, topics


async def test_what_is_in_the_journal_when_a_broker_is_killed_is_there_when_it_is_back(
    database: str, admin: asyncpg.Connection
) -> None:
    shop, topics = await left_in_the_journal(database, 2, "a")
    assert await counted(admin, "journal") == 1
    store = await opened(database)
    commit = await store.append(scattered(shop, [(topics[1], "c"), (topics[0], "d")]))
    assert [*commit.scattered_seqs] == [2, 2]
    found = await all_of(store, topics[0])
    assert [body for body, _, _ in found.values()] == ['"a"\n', '"d"\n']
    await store.close()


async def test_brokers_that_share_a_database_find_what_one_that_had_it_alone_has_left(
    database: str, admin: asyncpg.Connection
) -> None:
    shop, topics = await left_in_the_journal(database, 2, "a")
    both = [await opened(database, alone=False) for _ in range(2)]
    assert await counted(admin, "journal") == 0
    for store in both:
        assert [*(await all_of(store, topics[0]))] == [1]
        assert not store.takes_scattered
    assert [*(await both[0].append(in_a_block(topics[0], shop, "c"))).first_seqs] == [2]
    for store in both:
        await store.close()


async def test_brokers_that_start_together_move_what_was_left_once(
    database: str, admin: asyncpg.Connection
) -> None:
    _, topics = await left_in_the_journal(database, 20, *"abc")
    together = await asyncio.gather(*[opened(database, alone=False) for _ in range(4)])
    assert await counted(admin, "journal") == 0
    assert await counted(admin, "blocks") == 20
    for store in together:
        assert [*(await all_of(store, topics[-1]))] == [1, 2, 3]
        await store.close()


async def test_a_topic_has_no_block_above_what_it_has_in_the_journal(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop = await made(store, "shop@b.c")
    first, second = await made_topics(store, 2, shop)
    await store.append(scattered(shop, [(first, "a"), (first, "b")]))
    both = Batch(
        next(_batch_ids),
        [
            NewBlock(first, 2, [shop.id], encode_bodies(["c", "d"])),
            NewBlock(second, 1, [shop.id], encode_bodies(["1"])),
        ],
        {},
    )
    assert [*(await store.append(both)).first_seqs] == [3, 1]
    assert [*map(tuple, await admin.fetch("SELECT topic_id FROM blocks"))] == [(second,)]
    assert [*(await all_of(store, first))] == [1, 2, 3, 4]
    await store.move_journal()
    assert [*(await store.append(in_a_block(first, shop, "e"))).first_seqs] == [5]
    assert await counted(admin, "journal") == 0
    assert "".join(one[0] for one in (await all_of(store, first)).values()) == (
        '"a"\n"b"\n"c"\n"d"\n"e"\n'
    )


async def test_nothing_is_stored_for_a_topic_that_is_gone(store: PostgresStore) -> None:
    shop = await made(store, "shop@b.c")
    first, second = await made_topics(store, 2, shop)
    await store.append(scattered(shop, [(first, "a"), (second, "b")]))
    await store.delete_topic(first)
    with pytest.raises(BatchOutdated) as caught:
        await store.append(scattered(shop, [(second, "c"), (first, "d")]))
    assert caught.value.topics == {first}
    await store.move_journal()
    assert [*(await all_of(store, second))] == [1]
    assert await all_of(store, first) == {}


async def test_a_page_of_a_producer_that_was_taken_over_is_not_stored(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop = await made(store, "shop@b.c")
    first, second = await made_topics(store, 2, shop)
    old = await store.begin_producer(shop.id, "p")
    new = await store.begin_producer(shop.id, "p")
    assert old is not None
    assert new is not None
    messages = [(first, "a"), (second, "b")]
    with pytest.raises(BatchOutdated) as caught:
        await store.append(scattered(shop, messages, mark=old))
    assert caught.value.producers == {(shop.id, "p")}
    assert await counted(admin, "journal") == 0
    commit = await store.append(scattered(shop, messages, mark=new))
    assert [*commit.scattered_seqs] == [1, 1]


async def test_retention_sees_what_is_in_the_journal(store: PostgresStore) -> None:
    shop = await made(store, "shop@b.c")
    topics = await made_topics(store, 2, shop)
    await store.append(scattered(shop, [(topic, "x" * 50) for topic in topics]))
    await store.append(scattered(shop, [(topic, "y") for topic in topics]))
    assert await store.expired(0.0, None) == [(topics[0], 2), (topics[1], 2)]
    await store.append(scattered(shop, [(topics[0], "z")]))
    assert await store.take_out(topics[0], 2) == 2
    assert [*(await all_of(store, topics[0], 3))] == [3]


async def test_what_is_in_the_journal_can_be_taken_out(store: PostgresStore) -> None:
    shop = await made(store, "shop@b.c")
    (topic,) = await made_topics(store, 1, shop)
    await store.append(scattered(shop, [(topic, "a"), (topic, "b")]))
    assert await store.take_out(topic, 2) == 2
    assert await all_of(store, topic, 1) == {}
    (record,) = await store.topics()
    assert (record.head, record.tail) == (2, 2)


async def test_after_a_batch_that_nobody_asked_about_again_the_next_one_has_seqs_of_its_own(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await made(store, "shop@b.c")
    topics = await made_topics(store, 2, shop)
    fetchval = asyncpg.Connection.fetchval

    async def lost(connection: asyncpg.Connection, *arguments: Any, **named: Any) -> object:
        await fetchval(connection, *arguments, **named)
        connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("the test lost it")

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "fetchval", lost)
        with pytest.raises(StoreLost):
            await store.append(scattered(shop, [(topic, "a") for topic in topics]))
    commit = await in_the_end(store, scattered(shop, [(topic, "b") for topic in topics]))
    assert [*commit.scattered_seqs] == [2, 2]
    assert [body for body, _, _ in (await all_of(store, topics[1])).values()] == [
        '"a"\n',
        '"b"\n',
    ]


async def test_a_move_that_somebody_was_ahead_of_is_not_taken_for_made(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    """As a statement is that was given up, and goes on in PostgreSQL."""
    shop = await made(store, "shop@b.c")
    topics = await made_topics(store, 2, shop)
    for text in "ab":
        await store.append(scattered(shop, [(topic, text) for topic in topics]))
    before = [await all_of(store, topic) for topic in topics]
    async with admin.transaction():
        await admin.execute("UPDATE topics SET head = 1 WHERE id = $1", topics[1])
        await admin.execute(
            "INSERT INTO blocks"
            " (topic_id, first_seq, count, batch, committed_at, publishers, bodies)"
            " SELECT $1, 1, 1, batch, committed_at, ARRAY[$2::integer], $3"
            " FROM journal ORDER BY page LIMIT 1",
            *(topics[1], shop.id, b'"a"\n'),
        )
    with pytest.raises(StoreRefused):
        await store.move_journal()
    assert [await all_of(store, topic) for topic in topics] == before
    await store.move_journal()
    assert await counted(admin, "journal") == 0
    assert [await all_of(store, topic) for topic in topics] == before


async def test_a_read_of_a_long_journal_looks_through_a_bounded_part_of_it(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PAGES_A_READ", 2)
    shop = await made(store, "shop@b.c")
    first, second = await made_topics(store, 2, shop)
    for _ in range(3):
        await store.append(scattered(shop, [(first, "a")]))
    for _ in range(5):
        await store.append(scattered(shop, [(second, "b")]))
    # Nothing was found in the first three; then two more at most, and the one that has it.
    assert [block.first_seq for block in await store.read(second, 1, PLENTY)] == [1]
    assert [block.first_seq for block in await store.read(second, 2, PLENTY)] == [2, 3]
    assert [*(await all_of(store, second))] == [1, 2, 3, 4, 5]


async def test_a_summary_counts_what_is_in_the_journal_and_knows_the_time_of_each_message(
    store: PostgresStore,
) -> None:
    shop = await made(store, "shop@b.c")
    ann = await made(store, "ann@b.c", Role.SUBSCRIBER)
    (topic,) = await made_topics(store, 1, shop)
    epoch = await store.begin_session(ann.id)
    assert epoch is not None
    commits = [await store.append(scattered(shop, [(topic, "a"), (topic, "b")])) for _ in range(3)]
    for moved in range(2):
        for cursor in range(6):
            await store.subscribe(ann.id, topic, cursor, epoch)
            (summary,) = await store.summaries()
            assert (summary.record.head, summary.unread) == (6, 6 - cursor)
            assert summary.published_at == commits[2].committed_at
            assert summary.unread_since == commits[cursor // 2].committed_at, moved


async def test_appends_wait_while_the_journal_is_over_its_bound(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mover, "ENOUGH_BYTES", 2_000)
    monkeypatch.setattr(mover, "MOST_BYTES", 6_000)
    shop = await made(store, "shop@b.c")
    topics = await made_topics(store, 5, shop)
    for number in range(200):
        await store.append(scattered(shop, [(topic, f"{number:060}") for topic in topics]))
        assert store.journal_bytes < 6_000 + 1_000
    for topic in topics:
        assert [*(await all_of(store, topic))] == [*range(1, 201)]


# whatever happens


@dataclass
class Model:
    """What there should be."""

    topics: dict[int, dict[int, Stored]] = field(default_factory=dict)
    tails: dict[int, int] = field(default_factory=dict)

    def add(self, topic: int, text: str, who: str, commit: Commit, seq: int) -> None:
        mine = self.topics[topic]
        assert seq == max(mine, default=self.tails.get(topic, 0)) + 1
        mine[seq] = (encode_bodies([text]).decode(), who, commit.committed_at)


class Life:
    """A store that is used at random, and what should be in it."""

    def __init__(self, database: str, chance: random.Random) -> None:
        self.database, self.chance = database, chance
        self.model = Model()
        self.made = 0
        self.losing: set[asyncpg.Connection] = set()  # the next answer is lost

    async def begin(self) -> None:
        self.store = await opened(self.database)
        self.people = [await made(self.store, f"{name}@b.c") for name in "abc"]
        for _ in range(6):
            await self.make_topic()

    async def make_topic(self) -> None:
        self.made += 1
        record = await self.store.create_topic(f"T{self.made}", self.people[0].id)
        assert record is not None
        self.model.topics[record.id] = {}

    async def delete_topic(self) -> None:
        if len(self.model.topics) > 3:
            topic = self.chance.choice([*self.model.topics])
            await self.store.delete_topic(topic)
            del self.model.topics[topic]

    async def append(self) -> None:
        topics = [*self.model.topics]
        direct = self.chance.sample(topics, self.chance.randrange(3))
        others = [topic for topic in topics if topic not in direct]
        where = [self.chance.choice(others) for _ in range(self.chance.randrange(12))]
        blocks = [self.block(topic) for topic in direct for _ in range(self.chance.choice([1, 2]))]
        texts = [[f"{self.chance.random()}" for _ in range(block.count)] for block in blocks]
        blocks = [
            NewBlock(block.topic_id, block.count, block.publishers, encode_bodies(mine))
            for block, mine in zip(blocks, texts, strict=True)
        ]
        those = [f"{self.chance.random()}" for _ in where]
        whose = [self.chance.choice(self.people).id for _ in where]
        if not blocks and not where:
            return
        few = Scattered(where, whose, encode_bodies(those)) if where else None
        batch = Batch(next(_batch_ids), blocks, dict.fromkeys(direct, 0), (), few)
        self.note(batch, texts, those, await self.stored(batch))

    async def stored(self, batch: Batch) -> Commit:
        """Append the batch; now and then its answer is lost, or nothing of it arrives."""
        connection = self.store.locked_connection
        fault = self.chance.random()
        if fault < 0.1:
            connection.terminate()
        elif fault < 0.2:
            self.losing.add(connection)
        return await in_the_end(self.store, batch)

    def block(self, topic: int) -> NewBlock:
        number = self.chance.randrange(1, 4)
        who = [self.chance.choice(self.people).id for _ in range(self.chance.choice([1, number]))]
        return NewBlock(topic, number, who, b"")

    def note(self, batch: Batch, texts: list[list[str]], those: list[str], commit: Commit) -> None:
        emails = {one.id: one.email for one in self.people}
        for block, mine, first in zip(batch.blocks, texts, commit.first_seqs, strict=True):
            for place, text in enumerate(mine):
                who = block.publishers[place if len(block.publishers) > 1 else 0]
                self.model.add(block.topic_id, text, emails[who], commit, first + place)
        if batch.scattered is not None:
            few = batch.scattered
            for topic, whom, text, seq in zip(
                few.topic_ids, few.publishers, those, commit.scattered_seqs, strict=True
            ):
                self.model.add(topic, text, emails[whom], commit, seq)

    async def move(self) -> None:
        await self.store.move_journal()

    async def move_beside_appends(self) -> None:
        moving = asyncio.ensure_future(self.store.move_journal())
        while not moving.done():
            await self.append()
        await moving

    async def break_off_a_move(self) -> None:
        moving = asyncio.ensure_future(self.store.move_journal())
        for _ in range(self.chance.randrange(40)):
            await asyncio.sleep(0)
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)

    async def open_again(self) -> None:
        await self.store.close()
        self.store = await opened(self.database)

    async def look(self) -> None:
        topic = self.chance.choice([*self.model.topics])
        mine = self.model.topics[topic]
        first = self.chance.randrange(1, len(mine) + 2)
        found = await all_of(self.store, topic, first)
        found = {seq: one for seq, one in found.items() if seq >= first}
        assert found == {seq: mine[seq] for seq in mine if seq >= first}

    async def check(self) -> None:
        heads = {record.id: record.head for record in await self.store.topics()}
        assert heads == {topic: max(mine, default=0) for topic, mine in self.model.topics.items()}
        for topic, mine in self.model.topics.items():
            assert await all_of(self.store, topic) == mine
        async with self.store.connections.borrowed() as connection:
            rows = await connection.fetch(
                "SELECT id, seq, message::text, publisher, published_at"
                " FROM messages JOIN topics ON name = topic"
            )
        seen: dict[int, dict[int, Stored]] = {topic: {} for topic in self.model.topics}
        for topic, seq, text, who, at in rows:
            assert seq not in seen[topic]
            seen[topic][seq] = (f"{text}\n", who, at)
        assert seen == self.model.topics


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))]
)
async def test_every_message_is_there_once_in_order_whatever_is_done(
    database: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(mover, "STATEMENT_TOPICS", chance.choice([1, 2, 200]))
    monkeypatch.setattr(mover, "ROW_BYTES", chance.choice([1, 60, 2**17]))
    monkeypatch.setattr(journal, "PAGES_A_READ", chance.choice([0, 1, 20]))
    life = Life(database, chance)
    fetchval = asyncpg.Connection.fetchval

    async def may_be_lost(connection: asyncpg.Connection, *arguments: Any, **named: Any) -> object:
        answer = await fetchval(connection, *arguments, **named)
        if connection in life.losing:
            life.losing.discard(connection)
            connection.terminate()
            raise asyncpg.ConnectionDoesNotExistError("the test lost it")
        return answer

    monkeypatch.setattr(asyncpg.Connection, "fetchval", may_be_lost)
    await life.begin()
    acts = [
        *[life.append] * 8,
        *[life.look] * 4,
        *(life.move, life.move_beside_appends, life.break_off_a_move),
        *(life.open_again, life.make_topic, life.delete_topic, life.check),
    ]
    for _ in range(120):
        await chance.choice(acts)()
    await life.check()
    await life.move()
    await life.check()
    await life.store.close()
