"""Appending blocks, on an asyncpg connection without anything between.

One connection appends, and holds an advisory lock while it lives. The lock is what makes an
unknown outcome knowable: once a new connection has it, the backend of the old one is gone,
and the batch it was storing is either in the table or will never be. Where several brokers
share the database each has such a lock of its own, under a number that it drew.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import accumulate, chain

import asyncpg

from broker.store.errors import BatchOutdated, StoreLost, StoreRefused
from broker.store.interface import Batch, Commit, NewBlock, ProducerMark
from broker.store.postgres import single
from broker.store.postgres.connections import CONNECT_TIMEOUT_S, ended
from broker.store.postgres.faults import translated
from broker.store.postgres.packed import array_text

# "pubs": held by whoever appends to a database, by a broker that wants it alone against all.
WRITER_LOCK = 0x70756273
BROKER_LOCK = 0x70756272  # together with a broker's number: held by its writer
APPEND_TIMEOUT_S = 30.0

LOCK_ALONE = f"SELECT pg_try_advisory_lock({WRITER_LOCK})"
UNLOCK_ALONE = f"SELECT pg_advisory_unlock({WRITER_LOCK})"
_LOCK_SHARED = (
    f"SELECT pg_try_advisory_lock_shared({WRITER_LOCK}) AND pg_try_advisory_lock({BROKER_LOCK}, $1)"
)

# Have the backend end, and the lock with it, where the broker that it works for is gone: it would
# wait for another's lock for ever, and for a machine that was switched off two hours. Not every
# system can do the first; the server tells by refusing.
_WATCH_CLIENT = (
    "SET client_connection_check_interval = '500ms'",
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
)

Connect = Callable[[], Awaitable[asyncpg.Connection]]

_logger = logging.getLogger("pubsub.store")

# In an append: the newest publish of each producer. $11 to $14, $16 and $17 run in step, a
# producer; the refused ids lie one after another in $15.
REMEMBERED = """remembered AS (
    UPDATE producers
    SET last_id = mark.last_id, refused = ($15::bigint[])[first_refused + 1 : after_refused]
    FROM unnest(
        $11::integer[], $12::text[], $13::bigint[], $14::integer[], $16::integer[], $17::bigint[]
    ) AS mark (account_id, producer, last_id, first_refused, after_refused, epoch)
    WHERE producers.account_id = mark.account_id
      AND producers.producer = mark.producer
      AND producers.epoch = mark.epoch
    RETURNING producers.account_id
)"""

# One round trip and one transaction: heads moved, blocks written, producers remembered.
# Arrays run in step: $1 to $6 a block, $9 and $10 a topic, and those of `REMEMBERED`. The blocks'
# publishers lie one after another in $8. A block whose topic is gone has no first_seq, nor has any
# where a producer's epoch is not the newest: that fails the statement as a whole.
#
# Brokers that lock the topics of a commit in one order cannot meet in a deadlock.
_APPEND = f"""
WITH locked AS MATERIALIZED (
    SELECT id FROM topics WHERE id = ANY($9::integer[]) ORDER BY id FOR NO KEY UPDATE
), moved AS (
    UPDATE topics SET head = head + added.count
    FROM unnest($9::integer[], $10::bigint[]) AS added (topic_id, count)
    JOIN locked ON locked.id = added.topic_id
    WHERE topics.id = added.topic_id
    RETURNING topics.id, topics.head - added.count AS base
), {REMEMBERED}
INSERT INTO blocks (topic_id, first_seq, count, batch, publishers, bodies)
SELECT block.topic_id,
       CASE WHEN (SELECT count(*) FROM remembered) = cardinality($11::integer[])
            THEN moved.base + block.skipped + 1 END,
       block.count, $7,
       ((SELECT $8::text::integer[]))[block.first_publisher + 1 : block.after_publisher],
       block.bodies
FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::integer[], $5::integer[], $6::bytea[])
    AS block (topic_id, skipped, count, first_publisher, after_publisher, bodies)
LEFT JOIN moved ON moved.id = block.topic_id
RETURNING topic_id, first_seq, committed_at
"""

# Topics that have lost messages since their heads were known: by the doing of another broker.
_TAKEN_OUT = """
SELECT known.topic_id FROM unnest($1::integer[], $2::bigint[]) AS known (topic_id, head)
LEFT JOIN topics ON topics.id = known.topic_id
WHERE topics.tail IS NULL OR topics.tail > known.head
LIMIT 1
"""

_GONE_TOPICS = """
SELECT wanted.id FROM unnest($1::integer[]) AS wanted (id)
LEFT JOIN topics ON topics.id = wanted.id
WHERE topics.id IS NULL
"""

_OLD_PRODUCERS = """
SELECT wanted.account_id, wanted.producer
FROM unnest($1::integer[], $2::text[], $3::bigint[]) AS wanted (account_id, producer, epoch)
LEFT JOIN producers USING (account_id, producer)
WHERE producers.epoch IS DISTINCT FROM wanted.epoch
"""

_FIND = """
SELECT blocks.topic_id, blocks.first_seq, blocks.committed_at
FROM unnest($1::integer[], $2::bigint[]) AS known (topic_id, head)
JOIN blocks ON blocks.topic_id = known.topic_id AND blocks.first_seq > known.head
WHERE blocks.batch = $3
"""


class BlockWriter:
    """A broker's one connection that appends.

    With `alone` no other broker can have one on the same database.
    """

    def __init__(self, connect: Connect, *, alone: bool) -> None:
        self._connect = connect
        self._number = None if alone else secrets.randbits(31)
        self._connection: asyncpg.Connection | None = None
        self._backend: int | None = None  # of the connection, also after it is lost
        self._unsure_of: int | None = None  # the batch whose append had no answer

    async def open(self) -> bool:
        """Connect and take the lock; return False where it is held."""
        connection = await self._connect()
        try:
            locked = await self._locked(connection)
            for setting in _WATCH_CLIENT:
                with suppress(asyncpg.FeatureNotSupportedError, asyncpg.InvalidParameterValueError):
                    await connection.execute(setting, timeout=CONNECT_TIMEOUT_S)
        except BaseException:
            connection.terminate()
            raise
        if not locked:
            await ended(connection.close())
            return False
        self._connection, self._backend = connection, connection.get_server_pid()
        return True

    async def _locked(self, connection: asyncpg.Connection) -> bool:
        if self._number is None:
            asked = connection.fetchval(LOCK_ALONE, timeout=CONNECT_TIMEOUT_S)
        else:
            asked = connection.fetchval(_LOCK_SHARED, self._number, timeout=CONNECT_TIMEOUT_S)
        return bool(await asked)

    @property
    def held_connection(self) -> asyncpg.Connection:
        """The connection, which holds the lock.

        Raises:
            StoreLost: there is none any more.
        """
        if self._connection is None or self._connection.is_closed():
            raise StoreLost("the connection that kept brokers away is lost")
        return self._connection

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await ended(connection.close())

    def drop(self) -> None:
        """Let go of the connection without a word to the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def append(self, batch: Batch) -> Commit:
        if batch.id == self._unsure_of:
            commit = await self.find(batch)
            if commit is not None:
                return commit
            await self._check_nothing_is_gone(batch)
        self._unsure_of = batch.id
        try:
            connection = await self._connected()
            try:
                with translated():
                    commit = await self._store(connection, batch)
            except StoreRefused as error:
                if isinstance(error.__cause__, asyncpg.NotNullViolationError):
                    await self._tell_outdated(connection, batch)
                raise
        except StoreLost:
            self.drop()
            raise
        self._unsure_of = None
        return commit

    async def _store(self, connection: asyncpg.Connection, batch: Batch) -> Commit:
        if single.is_single(batch):
            row = await single.append(connection, batch, None, APPEND_TIMEOUT_S)
            return Commit([row["first_seq"]], row["committed_at"])
        rows = await connection.fetch(_APPEND, *_shared_arguments(batch), timeout=APPEND_TIMEOUT_S)
        return _commit(batch, rows)

    async def _tell_outdated(self, connection: asyncpg.Connection, batch: Batch) -> None:
        """Raise `BatchOutdated` where topics are gone or producers taken over."""
        marks = batch.producers
        with translated():
            topics = await connection.fetch(
                _GONE_TOPICS, [block.topic_id for block in batch.blocks], timeout=APPEND_TIMEOUT_S
            )
            producers = await connection.fetch(
                _OLD_PRODUCERS,
                [mark.account_id for mark in marks],
                [mark.producer for mark in marks],
                [mark.epoch for mark in marks],
                timeout=APPEND_TIMEOUT_S,
            )
        if topics or producers:
            raise BatchOutdated(
                frozenset(row["id"] for row in topics),
                frozenset((row["account_id"], row["producer"]) for row in producers),
            )

    async def find(self, batch: Batch) -> Commit | None:
        try:
            connection = await self._connected()
            with translated():
                return await self._found(connection, batch)
        except StoreLost:
            self.drop()
            raise

    async def _found(self, connection: asyncpg.Connection, batch: Batch) -> Commit | None:
        rows = await connection.fetch(
            _FIND,
            list(batch.heads),
            list(batch.heads.values()),
            batch.id,
            timeout=APPEND_TIMEOUT_S,
        )
        return _commit(batch, rows) if rows and len(rows) == len(batch.blocks) else None

    async def _check_nothing_is_gone(self, batch: Batch) -> None:
        """Refuse `batch`, which was not found, where it may have been there."""
        try:
            connection = await self._connected()
            with translated():
                gone = await connection.fetch(
                    _TAKEN_OUT,
                    list(batch.heads),
                    list(batch.heads.values()),
                    timeout=APPEND_TIMEOUT_S,
                )
        except StoreLost:
            self.drop()
            raise
        if gone:
            self._unsure_of = None
            raise StoreRefused(
                "its answer was lost, and another broker has taken messages out meanwhile, so it"
                " is not known whether this was stored"
            )

    async def _connected(self) -> asyncpg.Connection:
        """Return the connection, made anew where it was lost.

        That the lock is held again means that the lost connection's backend has ended.
        """
        if self._connection is not None:
            return self._connection
        lost = self._backend
        with translated():
            if not await self.open():
                await self._end_backend(lost)
                raise StoreLost("the connection that was lost has not ended yet")
        _logger.info("connected to PostgreSQL again")
        assert self._connection is not None
        return self._connection

    async def _end_backend(self, pid: int | None) -> None:
        """Ask the server to end the backend that we lost, if it still holds the lock."""
        connection = await self._connect()
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND objid = $1 AND pid = $2 AND granted",
                WRITER_LOCK,
                pid or 0,
                timeout=CONNECT_TIMEOUT_S,
            )
        finally:
            await ended(connection.close())


def block_arguments(blocks: Sequence[NewBlock]) -> tuple[object, ...]:
    """Return what an append takes of its blocks.

    Arrays in step: topics, counts, where each one's publishers begin and end in the array of
    them all, and bodies; then that array, as text.
    """
    publishers = chain.from_iterable(block.publishers for block in blocks)
    ends: list[object] = [*accumulate((len(block.publishers) for block in blocks), initial=0)]
    return (
        [block.topic_id for block in blocks],
        [block.count for block in blocks],
        ends[:-1],
        ends[1:],
        [block.bodies for block in blocks],
        array_text(publishers),
    )


def mark_arguments(marks: Sequence[ProducerMark]) -> tuple[list[object], ...]:
    """Return what an append takes of producers, as `REMEMBERED` wants it."""
    refused: list[object] = [request_id for mark in marks for request_id in mark.refused]
    ends: list[object] = [*accumulate((len(mark.refused) for mark in marks), initial=0)]
    return (
        [mark.account_id for mark in marks],
        [mark.producer for mark in marks],
        [mark.last_id for mark in marks],
        ends[:-1],
        refused,
        ends[1:],
        [mark.epoch for mark in marks],
    )


def _shared_arguments(batch: Batch) -> tuple[object, ...]:
    added: dict[int, int] = {}  # messages so far, by topic
    skipped = []
    for block in batch.blocks:
        skipped.append(added.get(block.topic_id, 0))
        added[block.topic_id] = skipped[-1] + block.count
    topics, counts, firsts, ends, bodies, publishers = block_arguments(batch.blocks)
    return (
        *(topics, skipped, counts, firsts, ends, bodies, batch.id, publishers),
        *(list(added), list(added.values())),
        *mark_arguments(batch.producers),
    )


def _commit(batch: Batch, rows: list[asyncpg.Record]) -> Commit:
    """Match the rows that were written with the blocks of the batch, topic by topic."""
    firsts: dict[int, list[int]] = {}
    for row in rows:
        firsts.setdefault(row["topic_id"], []).append(row["first_seq"])
    for seqs in firsts.values():
        seqs.sort(reverse=True)
    return Commit([firsts[block.topic_id].pop() for block in batch.blocks], rows[0]["committed_at"])
