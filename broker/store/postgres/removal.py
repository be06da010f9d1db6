"""Taking things out, beside the connection that appends: blocks, topics and accounts.

Each statement changes one topic's row at most, for a moment at its end: an append, which moves
several heads at once, can neither wait long for it nor be caught in a deadlock.
"""

from datetime import timedelta

import asyncpg

from broker.store.postgres.connections import Connections
from broker.store.postgres.faults import translated

CHUNK_BLOCKS = 500  # taken out by one statement
LOOK_TIMEOUT_S = 600.0  # a look at the sizes of all blocks

# Up to the first block that may stay. Blocks are looked at from the tail on, so that those
# which went a moment ago cost nothing, and no further than to the first that stays.
_TOO_OLD = """
SELECT topics.id, until.seq
FROM topics
CROSS JOIN LATERAL (
    SELECT coalesce((
        SELECT first_seq - 1 FROM blocks
        WHERE topic_id = topics.id AND first_seq > topics.tail
          AND committed_at >= now() - $1::interval
        ORDER BY first_seq LIMIT 1
    ), topics.head) AS seq
    OFFSET 0  -- once a topic: inlined, it would be found out for each use
) AS until
WHERE EXISTS (
    SELECT FROM blocks
    WHERE topic_id = topics.id AND first_seq > topics.tail AND first_seq <= until.seq
)
"""

# The sum runs from the newest block back. It reads only the lengths of the bodies, which lie
# out of line where they are long. What the newest commit wrote stays, however large: somebody
# has to be able to read it. Topics that have grown since they were found small enough are
# looked at alone: a look costs as much as the topic has blocks.
_TOO_LARGE = """
SELECT topics.id, topics.head, oldest.seq
FROM topics
LEFT JOIN unnest($2::integer[], $3::bigint[]) AS small (id, head) USING (id)
CROSS JOIN LATERAL (
    SELECT max(first_seq + count - 1) AS seq
    FROM (
        SELECT first_seq, count, batch,
               sum(octet_length(bodies)) OVER newest_first AS size,
               first_value(batch) OVER newest_first AS newest
        FROM blocks
        WHERE topic_id = topics.id AND first_seq > topics.tail
        WINDOW newest_first AS (ORDER BY first_seq DESC)
    ) AS summed
    WHERE size > $1 AND batch <> newest
) AS oldest
WHERE topics.head IS DISTINCT FROM small.head
"""

TAKE_OUT = """
WITH oldest AS (
    SELECT first_seq FROM blocks
    WHERE topic_id = $1 AND first_seq <= $2 AND first_seq + count - 1 <= $2
    ORDER BY first_seq LIMIT $3
), taken AS (
    DELETE FROM blocks USING oldest
    WHERE blocks.topic_id = $1 AND blocks.first_seq = oldest.first_seq
    RETURNING blocks.first_seq + blocks.count - 1 AS last_seq
)
UPDATE topics SET tail = greatest(topics.tail, gone.seq)
FROM (SELECT max(last_seq) AS seq FROM taken) AS gone
WHERE topics.id = $1 AND gone.seq IS NOT NULL
RETURNING topics.tail
"""

# The topic first, which waits for appends of other brokers: then all its blocks can be seen.
_DELETE_TOPIC = ("DELETE FROM topics WHERE id = $1", "DELETE FROM blocks WHERE topic_id = $1")


_DISOWN_ONE = """
UPDATE topics SET created_by = NULL
WHERE id = (SELECT id FROM topics WHERE created_by = $1 ORDER BY id LIMIT 1)
RETURNING id
"""


class Remover:
    """Finds what topics keep too much of, and takes out what it is told to."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._small: dict[int, int] = {}  # topics that kept no more, with their heads then,
        self._more_than = 0  # than so many bytes

    async def expired(
        self, older_than_s: float | None, more_than_bytes: int | None
    ) -> list[tuple[int, int]]:
        seqs: dict[int, int] = {}
        if older_than_s is not None:
            for row in await self._look(_TOO_OLD, timedelta(seconds=older_than_s)):
                seqs[row["id"]] = row["seq"]
        if more_than_bytes is not None:
            for topic_id, seq in (await self._too_large(more_than_bytes)).items():
                seqs[topic_id] = max(seqs.get(topic_id, 0), seq)
        return [*seqs.items()]

    async def take_out(self, topic_id: int, up_to: int) -> int | None:
        with translated():
            async with self._connections.borrowed() as connection:
                tail: int | None = await connection.fetchval(
                    TAKE_OUT, topic_id, up_to, CHUNK_BLOCKS
                )
                return tail

    async def delete_topic(self, topic_id: int) -> None:
        with translated():
            async with self._connections.borrowed() as connection, connection.transaction():
                for statement in _DELETE_TOPIC:
                    await connection.execute(statement, topic_id)
        self._small.pop(topic_id, None)

    async def delete_account(self, account_id: int) -> None:
        with translated():
            async with self._connections.borrowed() as connection:
                while await connection.fetchval(_DISOWN_ONE, account_id) is not None:
                    pass
                await connection.execute("DELETE FROM accounts WHERE id = $1", account_id)

    async def _too_large(self, more_than: int) -> dict[int, int]:
        if more_than != self._more_than:
            self._small, self._more_than = {}, more_than
        small = self._small
        rows = await self._look(_TOO_LARGE, more_than, [*small], [*small.values()])
        for row in rows:
            if row["seq"] is None:
                small[row["id"]] = row["head"]
            else:
                small.pop(row["id"], None)
        return {row["id"]: row["seq"] for row in rows if row["seq"] is not None}

    async def _look(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        return await self._connections.rows(query, *arguments, timeout=LOOK_TIMEOUT_S)
