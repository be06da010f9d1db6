"""Appending and reading blocks, on asyncpg connections without anything between.

One connection appends, and holds an advisory lock while it lives. The lock is what makes an
unknown outcome knowable: once a new connection has it, the backend of the old one is gone,
and the batch it was storing is either in the table or will never be.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import accumulate

import asyncpg

from broker.store.errors import StoreLost
from broker.store.interface import Batch, Commit, StoredBlock
from broker.store.postgres.connections import CONNECT_TIMEOUT_S, Connections, ended
from broker.store.postgres.faults import translated

WRITER_LOCK = 0x70756273  # "pubs": one broker appends to a database at a time
APPEND_TIMEOUT_S = 30.0

# Have the backend end, and the lock with it, where the broker that it works for is gone: it would
# wait for another's lock for ever, and for a machine that was switched off two hours. Not every
# system can do the first; the server tells by refusing.
_WATCH_CLIENT = (
    "SET client_connection_check_interval = '500ms'",
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
)

Connect = Callable[[], Awaitable[asyncpg.Connection]]

_logger = logging.getLogger("pubsub.store")

# One round trip and one transaction: heads moved, blocks written, producers remembered.
# Arrays run in step: $1 to $6 a block, $9 and $10 a topic, $11 to $14 a producer. The
# blocks' publishers lie one after another in $8, the refused ids of producers in $15. A block
# whose topic is gone has no first_seq, which fails the statement as a whole.
_APPEND = """
WITH moved AS (
    UPDATE topics SET head = head + added.count
    FROM unnest($9::integer[], $10::bigint[]) AS added (topic_id, count)
    WHERE topics.id = added.topic_id
    RETURNING topics.id, topics.head - added.count AS base
), remembered AS (
    INSERT INTO producers (account_id, producer, last_id, refused)
    SELECT account_id, producer, last_id, ($15::bigint[])[first_refused + 1 : after_refused]
    FROM unnest($11::integer[], $12::text[], $13::bigint[], $14::integer[], $16::integer[])
        AS mark (account_id, producer, last_id, first_refused, after_refused)
    ON CONFLICT (account_id, producer)
    DO UPDATE SET last_id = excluded.last_id, refused = excluded.refused
)
INSERT INTO blocks (topic_id, first_seq, count, batch, publishers, bodies)
SELECT block.topic_id, moved.base + block.skipped + 1, block.count, $7,
       ($8::integer[])[block.first_publisher + 1 : block.after_publisher], block.bodies
FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::integer[], $5::integer[], $6::bytea[])
    AS block (topic_id, skipped, count, first_publisher, after_publisher, bodies)
LEFT JOIN moved ON moved.id = block.topic_id
RETURNING topic_id, first_seq, committed_at
"""

_FIND = """
SELECT blocks.topic_id, blocks.first_seq, blocks.committed_at
FROM unnest($1::integer[], $2::bigint[]) AS known (topic_id, head)
JOIN blocks ON blocks.topic_id = known.topic_id AND blocks.first_seq > known.head
WHERE blocks.batch = $3
"""

# The sum leaves a block out once those before it pass the limit. It reads only the lengths:
# bodies lie out of line and are fetched for the rows that are returned.
_READ = """
SELECT first_seq, count, publishers, committed_at, bodies
FROM (
    SELECT *, sum(octet_length(bodies)) OVER (ORDER BY first_seq) - octet_length(bodies) AS before
    FROM (
        SELECT * FROM blocks
        WHERE topic_id = $1 AND first_seq >= coalesce(
            (SELECT max(first_seq) FROM blocks WHERE topic_id = $1 AND first_seq <= $2), $2)
        ORDER BY first_seq
        LIMIT 1000
    ) AS next
) AS summed
WHERE before < $3
ORDER BY first_seq
"""


class BlockWriter:
    """The one connection that appends."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None
        self._backend: int | None = None  # of the connection, also after it is lost
        self._unsure_of: int | None = None  # the batch whose append had no answer

    async def open(self) -> bool:
        """Connect and take the lock; return False where another broker holds it."""
        connection = await self._connect()
        try:
            locked = await connection.fetchval(
                "SELECT pg_try_advisory_lock($1)", WRITER_LOCK, timeout=CONNECT_TIMEOUT_S
            )
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
        self._unsure_of = batch.id
        try:
            connection = await self._connected()
            with translated():
                rows = await connection.fetch(
                    _APPEND, *_append_arguments(batch), timeout=APPEND_TIMEOUT_S
                )
        except StoreLost:
            self.drop()
            raise
        self._unsure_of = None
        return _commit(batch, rows)

    async def find(self, batch: Batch) -> Commit | None:
        try:
            connection = await self._connected()
            with translated():
                rows = await connection.fetch(
                    _FIND,
                    list(batch.heads),
                    list(batch.heads.values()),
                    batch.id,
                    timeout=APPEND_TIMEOUT_S,
                )
        except StoreLost:
            self.drop()
            raise
        return _commit(batch, rows) if rows else None

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


class BlockReader:
    """Reads ranges of blocks."""

    def __init__(
        self,
        connections: Connections,
        find_emails: Callable[[list[int]], Awaitable[dict[int, str]]],
    ) -> None:
        self._connections = connections
        self._find_emails = find_emails
        self._emails: dict[int, str] = {}

    async def read(self, topic_id: int, seq: int, limit_bytes: int) -> list[StoredBlock]:
        with translated():
            async with self._connections.borrowed() as connection:
                rows = await connection.fetch(_READ, topic_id, seq, limit_bytes)
        await self._learn({account for row in rows for account in row["publishers"]})
        return [
            StoredBlock(
                row["first_seq"],
                row["count"],
                tuple(self._emails.get(account, "") for account in row["publishers"]),
                row["committed_at"],
                row["bodies"],
            )
            for row in rows
            if row["first_seq"] + row["count"] > seq
        ]

    def forget(self, account: int) -> None:
        """The account is being deleted: what it published is nobody's from now on."""
        self._emails[account] = ""

    async def _learn(self, accounts: set[int]) -> None:
        unknown = [account for account in accounts if account not in self._emails]
        if unknown:
            # What was forgotten meanwhile stays so.
            self._emails = await self._find_emails(unknown) | self._emails


def _append_arguments(batch: Batch) -> tuple[object, ...]:
    blocks, marks = batch.blocks, batch.producers
    added: dict[int, int] = {}  # messages so far, by topic
    skipped = []
    for block in blocks:
        skipped.append(added.get(block.topic_id, 0))
        added[block.topic_id] = skipped[-1] + block.count
    publishers = [account for block in blocks for account in block.publishers]
    publisher_ends = [*accumulate((len(block.publishers) for block in blocks), initial=0)]
    refused = [request_id for mark in marks for request_id in mark.refused]
    refused_ends = [*accumulate((len(mark.refused) for mark in marks), initial=0)]
    return (
        [block.topic_id for block in blocks],
        skipped,
        [block.count for block in blocks],
        publisher_ends[:-1],
        publisher_ends[1:],
        [block.bodies for block in blocks],
        batch.id,
        publishers,
        list(added),
        list(added.values()),
        [mark.account_id for mark in marks],
        [mark.producer for mark in marks],
        [mark.last_id for mark in marks],
        refused_ends[:-1],
        refused,
        refused_ends[1:],
    )


def _commit(batch: Batch, rows: list[asyncpg.Record]) -> Commit:
    """Match the rows that were written with the blocks of the batch, topic by topic."""
    firsts: dict[int, list[int]] = {}
    for row in rows:
        firsts.setdefault(row["topic_id"], []).append(row["first_seq"])
    for seqs in firsts.values():
        seqs.sort(reverse=True)
    return Commit([firsts[block.topic_id].pop() for block in batch.blocks], rows[0]["committed_at"])
