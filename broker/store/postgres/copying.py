"""Copying a store on PostgreSQL: what it has, and how it is given what another has.

What is put goes over the connection that holds the lock: should that be lost, the copying ends
before a broker can have come between.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import dropwhile
from typing import TypeVar

import asyncpg

from broker.store.copying import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    CopiedAccount,
    CopiedProducer,
    CopiedSubscription,
    CopiedTopic,
    Copyable,
    TopicBlocks,
    batch_of,
)
from broker.store.errors import StoreLost, StoreRefused, StoreUnusable
from broker.store.interface import StoredBlock
from broker.store.postgres.connections import ended
from broker.store.postgres.faults import translated
from broker.store.postgres.removal import CHUNK_BLOCKS, TAKE_OUT
from broker.store.postgres.schema import schema_version
from broker.store.postgres.store import EmbeddedStore, PostgresStore
from protocol.names import Role

TIMEOUT_S = 600.0  # of one statement, which may sort all accounts
NOBODY = 0  # as the id of an account that is gone: ids begin at 1
PROBE_LOCK = 0x70756270  # "pubp", together with a number that was drawn

T = TypeVar("T")

# By code point, as the strings of Python are.
_ACCOUNTS = 'SELECT email, role, password_hash FROM accounts ORDER BY email COLLATE "C"'

_SUBSCRIPTIONS = """
SELECT email, name, cursor
FROM subscriptions
JOIN accounts ON accounts.id = account_id
JOIN topics ON topics.id = topic_id
ORDER BY email COLLATE "C", name COLLATE "C"
"""

_PRODUCERS = """
SELECT email, producer, last_id, refused
FROM producers JOIN accounts ON accounts.id = account_id
ORDER BY email COLLATE "C", producer COLLATE "C"
"""

_TOPICS = """
SELECT topics.id, name, email, topics.created_at, tail, head
FROM topics LEFT JOIN accounts ON accounts.id = created_by
ORDER BY topics.id
"""

_USED = """
SELECT EXISTS (SELECT FROM accounts WHERE epoch > 0)
    OR EXISTS (SELECT FROM producers WHERE epoch > 0)
"""

_PUT_ACCOUNTS = """
INSERT INTO accounts (email, role, password_hash)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash
"""

# Ordered, so that the oldest topic has the lowest id here as well.
_PUT_TOPICS = """
INSERT INTO topics (name, created_by, created_at, tail, head)
SELECT wanted.name, accounts.id, wanted.created_at, wanted.tail, wanted.tail
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[]) WITH ORDINALITY
    AS wanted (name, creator, created_at, tail, place)
LEFT JOIN accounts ON accounts.email = wanted.creator
ORDER BY wanted.place
ON CONFLICT (name) DO UPDATE SET created_by = excluded.created_by
RETURNING id, name, tail
"""

_MOVE_TAIL = "UPDATE topics SET tail = $2, head = greatest(head, $2) WHERE id = $1"

_HEADS = "SELECT id, name, head FROM topics WHERE name = ANY($1::text[])"

_MOVE_HEADS = """
UPDATE topics SET head = moved.head
FROM unnest($1::integer[], $2::bigint[]) AS moved (id, head)
WHERE topics.id = moved.id
"""

_BLOCK_COLUMNS = (
    *("topic_id", "first_seq", "count", "batch"),
    *("committed_at", "publishers", "bodies"),
)

_PUT_SUBSCRIPTIONS = """
INSERT INTO subscriptions (account_id, topic_id, cursor)
SELECT accounts.id, topics.id, wanted.cursor
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted (email, topic, cursor)
JOIN accounts ON accounts.email = wanted.email
JOIN topics ON topics.name = wanted.topic
ON CONFLICT (account_id, topic_id) DO UPDATE SET cursor = excluded.cursor
"""

_DROP_SUBSCRIPTIONS = """
DELETE FROM subscriptions
USING unnest($1::text[], $2::text[]) AS unwanted (email, topic), accounts, topics
WHERE accounts.email = unwanted.email AND topics.name = unwanted.topic
  AND account_id = accounts.id AND topic_id = topics.id
"""

_PUT_PRODUCER = """
INSERT INTO producers (account_id, producer, last_id, refused)
SELECT id, $2, $3, $4::bigint[] FROM accounts WHERE email = $1
ON CONFLICT (account_id, producer)
DO UPDATE SET last_id = excluded.last_id, refused = excluded.refused
"""


class PostgresCopy:
    """A `Copyable` in a database; `store` is not open yet, and wants it alone."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._topic_ids: dict[str, int] = {}
        self._account_ids = {"": NOBODY}
        self._analyzed = False  # since blocks were put

    def __str__(self) -> str:
        return str(self._store)

    async def open(self, *, there: bool) -> None:
        if there:
            await self._check_there()
        await self._store.open()
        await self._store.move_journal()

    async def _check_there(self) -> None:
        try:
            connection = await self._store.connect()
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return  # which the opening tells in words
        try:
            with translated():
                version = await schema_version(connection)
        finally:
            await ended(connection.close())
        if version == 0:
            raise StoreUnusable(f"{self} holds nothing of a broker. Name the one that does.")

    async def close(self) -> None:
        await self._store.close()

    async def is_same(self, other: Copyable) -> bool:
        """Whether a lock that is taken here is seen there."""
        if not isinstance(other, PostgresCopy):
            return False
        probe = f"({PROBE_LOCK}, {secrets.randbits(31)})"
        with translated():
            await self._locked.execute(f"SELECT pg_advisory_lock{probe}")
            try:
                return await other._is_taken(probe)
            finally:
                await self._locked.execute(f"SELECT pg_advisory_unlock{probe}")

    async def _is_taken(self, probe: str) -> bool:
        try:
            connection = await self._store.connect()
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            return await connection.fetchval(f"SELECT pg_try_advisory_lock{probe}") is False
        finally:
            await ended(connection.close())

    async def check_alone(self) -> None:
        with translated():
            await self._locked.execute("SELECT", timeout=TIMEOUT_S)

    async def has_been_used(self) -> bool:
        with translated():
            return bool(await self._locked.fetchval(_USED, timeout=TIMEOUT_S))

    # what it has

    def accounts(self) -> AsyncGenerator[Sequence[CopiedAccount], None]:
        return self._chunks(
            _ACCOUNTS, lambda row: CopiedAccount(row["email"], Role(row["role"]), row[2])
        )

    def subscriptions(self) -> AsyncGenerator[Sequence[CopiedSubscription], None]:
        return self._chunks(_SUBSCRIPTIONS, lambda row: CopiedSubscription(*row))

    def producers(self) -> AsyncGenerator[Sequence[CopiedProducer], None]:
        return self._chunks(
            _PRODUCERS, lambda row: CopiedProducer(row[0], row[1], row[2], tuple(row["refused"]))
        )

    async def topics(self) -> list[CopiedTopic]:
        with translated():
            async with self._store.connections.borrowed() as connection:
                rows = await connection.fetch(_TOPICS, timeout=TIMEOUT_S)
        self._topic_ids = {row["name"]: row["id"] for row in rows}
        return [CopiedTopic(*row[1:]) for row in rows]

    async def read(self, topic: str, seq: int) -> Sequence[StoredBlock]:
        if not self._analyzed:
            # Of a table that has been filled a moment ago PostgreSQL thinks that it is small, and
            # would sort what is left of the topic for each read.
            await self._put("ANALYZE blocks")
            self._analyzed = True
        return await self._store.read(self._topic_ids[topic], seq, CHUNK_BYTES)

    # what it is given

    async def put_accounts(self, accounts: Sequence[CopiedAccount]) -> None:
        await self._put(
            _PUT_ACCOUNTS,
            [one.email for one in accounts],
            [one.role.value for one in accounts],
            [one.password_hash for one in accounts],
        )

    async def put_topics(self, topics: Sequence[CopiedTopic]) -> None:
        with translated():
            rows = await self._locked.fetch(
                _PUT_TOPICS,
                [one.name for one in topics],
                [one.creator for one in topics],
                [one.created_at for one in topics],
                [one.tail for one in topics],
                timeout=TIMEOUT_S,
            )
        found = {row["name"]: row for row in rows}
        for topic in topics:
            row = found[topic.name]
            self._topic_ids[topic.name] = row["id"]
            if row["tail"] < topic.tail:
                await self._move_tail(row["id"], topic.tail)

    async def _move_tail(self, topic_id: int, tail: int) -> None:
        with translated():
            arguments = topic_id, tail, CHUNK_BLOCKS
            while await self._locked.fetchval(TAKE_OUT, *arguments, timeout=TIMEOUT_S) is not None:
                pass
        await self._put(_MOVE_TAIL, topic_id, tail)

    async def put_blocks(self, parts: Sequence[TopicBlocks]) -> None:
        """All of it in one transaction, which costs one flush to the disk."""
        connection = self._locked
        self._analyzed = False
        await self._learn({who for part in parts for one in part.blocks for who in one.publishers})
        with translated():
            async with _unless_lost(connection), connection.transaction():
                rows = await connection.fetch(_HEADS, [part.topic for part in parts])
                ids = {row["name"]: row["id"] for row in rows}
                heads = {row["name"]: row["head"] for row in rows}
                records = [
                    self._record(ids[part.topic], block)
                    for part in parts
                    for block in _following(part, heads)
                ]
                await connection.copy_records_to_table(
                    "blocks", records=records, columns=_BLOCK_COLUMNS
                )
                await connection.execute(
                    _MOVE_HEADS, [ids[name] for name in heads], [*heads.values()]
                )

    def _record(self, topic_id: int, block: StoredBlock) -> tuple[object, ...]:
        at, ids = block.committed_at, self._account_ids
        publishers = [ids[email] for email in block.publishers]
        return (
            *(topic_id, block.first_seq, block.count, batch_of(at)),
            *(at, publishers, block.bodies),
        )

    async def _learn(self, emails: set[str]) -> None:
        unknown = [email for email in emails if email not in self._account_ids]
        if unknown:
            with translated():
                rows = await self._locked.fetch(
                    "SELECT email, id FROM accounts WHERE email = ANY($1::text[])", unknown
                )
            self._account_ids.update(map(tuple, rows))

    async def put_subscriptions(self, subscriptions: Sequence[CopiedSubscription]) -> None:
        emails, topics = _keys(subscriptions)
        await self._put(_PUT_SUBSCRIPTIONS, emails, topics, [one.cursor for one in subscriptions])

    async def drop_subscriptions(self, subscriptions: Sequence[CopiedSubscription]) -> None:
        await self._put(_DROP_SUBSCRIPTIONS, *_keys(subscriptions))

    async def put_producers(self, producers: Sequence[CopiedProducer]) -> None:
        with translated():
            await self._locked.executemany(
                _PUT_PRODUCER,
                [(one.email, one.producer, one.last_id, [*one.refused]) for one in producers],
                timeout=TIMEOUT_S,
            )

    # on which connection

    @property
    def _locked(self) -> asyncpg.Connection:
        return self._store.locked_connection

    async def _put(self, statement: str, *arguments: object) -> None:
        with translated():
            await self._locked.execute(statement, *arguments, timeout=TIMEOUT_S)

    async def _chunks(
        self, query: str, made_of: Callable[[asyncpg.Record], T]
    ) -> AsyncGenerator[Sequence[T], None]:
        with translated():
            async with (
                self._store.connections.borrowed() as connection,
                connection.transaction(readonly=True),
            ):
                cursor = await connection.cursor(query, timeout=TIMEOUT_S)
                while rows := await cursor.fetch(CHUNK_ROWS, timeout=TIMEOUT_S):
                    yield [made_of(row) for row in rows]


class EmbeddedCopy(PostgresCopy):
    """A `Copyable` in a data directory."""

    def __init__(self, store: EmbeddedStore) -> None:
        super().__init__(store)
        self._folder = store.folder

    def __str__(self) -> str:
        return f"the data directory {self._folder.path}"

    async def _check_there(self) -> None:
        if not self._folder.cluster.exists():
            raise StoreUnusable(f"{self._folder.path} is no data directory of a broker. Name one.")

    async def is_same(self, other: Copyable) -> bool:
        if isinstance(other, EmbeddedCopy):
            return bool(self._folder.path == other._folder.path)
        return await super().is_same(other)

    async def _is_taken(self, probe: str) -> bool:
        return False  # its server does not run yet: nobody can hold anything in it


@asynccontextmanager
async def _unless_lost(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """End what is inside when the connection breaks, or takes too long.

    asyncpg waits for ever for room in the buffer of a connection that breaks during a COPY.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S) as limit:

            def end(_: object) -> None:
                limit.reschedule(0)

            connection.add_termination_listener(end)
            try:
                yield
            finally:
                connection.remove_termination_listener(end)
    except (TimeoutError, asyncpg.InterfaceError) as error:
        connection.terminate()
        raise StoreLost("the connection broke, or there was no answer in time") from error


def _following(part: TopicBlocks, heads: dict[str, int]) -> Iterable[StoredBlock]:
    """Return the blocks that are not there yet, and move the topic's head in `heads`."""
    head = heads[part.topic]
    blocks = [*dropwhile(lambda block: block.first_seq + block.count - 1 <= head, part.blocks)]
    if blocks and blocks[0].first_seq != head + 1:
        raise StoreRefused(f"block {blocks[0].first_seq:,} does not follow {head:,}")
    if blocks:
        heads[part.topic] = blocks[-1].first_seq + blocks[-1].count - 1
    return blocks


def _keys(subscriptions: Sequence[CopiedSubscription]) -> tuple[list[str], list[str]]:
    return [one.email for one in subscriptions], [one.topic for one in subscriptions]
