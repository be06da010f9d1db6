"""Appending to a database that no other broker can come to.

The heads are known then, so a message's seq is known before it is written: what goes to many
topics needs no row for each, and is written to the journal.
"""

from datetime import datetime

import asyncpg

from broker.store.interface import Batch, Commit
from broker.store.postgres import log, single
from broker.store.postgres.journal import Journal, Plan
from broker.store.postgres.log import (
    REMEMBERED,
    BlockWriter,
    Connect,
    block_arguments,
    mark_arguments,
)

# As `log._APPEND`, but for the seqs: $2 are those of the blocks, $9, $10 and $18 topics with their
# heads before and after. Should the heads be others, that fails the statement as a whole, as a
# producer's epoch does that is not the newest. $19 to $23 are a page of the journal.
_APPEND = f"""
WITH moved AS (
    UPDATE topics SET head = added.after
    FROM unnest($9::integer[], $10::bigint[], $18::bigint[]) AS added (topic_id, before, after)
    WHERE topics.id = added.topic_id AND topics.head = added.before
    RETURNING topics.id
), {REMEMBERED}, checked AS MATERIALIZED (
    SELECT (SELECT count(*) FROM moved) = cardinality($9::integer[])
       AND (SELECT count(*) FROM remembered) = cardinality($11::integer[]) AS good
){{page}}, written AS (
    INSERT INTO blocks (topic_id, first_seq, count, batch, publishers, bodies)
    SELECT block.topic_id, CASE WHEN checked.good THEN block.first_seq END, block.count, $7,
           ((SELECT $8::text::integer[]))[block.first_publisher + 1 : block.after_publisher],
           block.bodies
    FROM checked, unnest(
        $1::integer[], $2::bigint[], $3::integer[], $4::integer[], $5::integer[], $6::bytea[]
    ) AS block (topic_id, first_seq, count, first_publisher, after_publisher, bodies)
)
SELECT now()
"""

_PAGE = """, paged AS (
    INSERT INTO journal (page, batch, topics, seqs, publishers, bodies)
    SELECT CASE WHEN checked.good THEN $19::bigint END, $7,
           $20::bytea, $21::bytea, $22::bytea, $23::bytea
    FROM checked
)"""

_APPEND_BLOCKS = _APPEND.format(page="")
_APPEND_PAGE = _APPEND.format(page=_PAGE)

# All of a batch is there, or nothing: one row tells.
_FIND = """
SELECT committed_at FROM journal WHERE batch = $1
UNION ALL (
    SELECT blocks.committed_at
    FROM unnest($2::integer[], $3::bigint[]) AS known (topic_id, head)
    JOIN blocks ON blocks.topic_id = known.topic_id AND blocks.first_seq > known.head
    WHERE blocks.batch = $1
)
LIMIT 1
"""


class LoneWriter(BlockWriter):
    """The one connection that appends to a database, and keeps all brokers away from it."""

    def __init__(self, connect: Connect, journal: Journal) -> None:
        super().__init__(connect, alone=True)
        self._journal = journal
        self._plan: Plan | None = None  # of a batch of which it is open whether it is stored
        self._newest: tuple[Plan, datetime] | None = None  # that is

    async def append(self, batch: Batch) -> Commit:
        if self._plan is not None and self._plan.batch.id != batch.id:
            await self.find(self._plan.batch)  # for its seqs may be taken
        return await super().append(batch)

    async def _store(self, connection: asyncpg.Connection, batch: Batch) -> Commit:
        plan = self._plan = self._journal.plan(batch)
        if plan.page is None and single.is_single(batch):
            ((_, first_seq),) = plan.blocks
            row = await single.append(connection, batch, first_seq - 1, log.APPEND_TIMEOUT_S)
            return self._stored(plan, row["committed_at"])
        query = _APPEND_BLOCKS if plan.page is None else _APPEND_PAGE
        committed_at = await connection.fetchval(
            query, *_arguments(plan), timeout=log.APPEND_TIMEOUT_S
        )
        return self._stored(plan, committed_at)

    async def _found(self, connection: asyncpg.Connection, batch: Batch) -> Commit | None:
        if self._newest is not None and self._newest[0].batch.id == batch.id:
            stored, committed_at = self._newest
            return stored.commit(committed_at)
        plan = self._plan
        if plan is None or plan.batch.id != batch.id:
            return await super()._found(connection, batch)
        committed_at = await connection.fetchval(
            _FIND,
            batch.id,
            [block.topic_id for block, _ in plan.blocks],
            [first_seq - 1 for _, first_seq in plan.blocks],
            timeout=log.APPEND_TIMEOUT_S,
        )
        if committed_at is None:
            self._plan = None
            return None
        return self._stored(plan, committed_at)

    def _stored(self, plan: Plan, committed_at: datetime) -> Commit:
        self._journal.stored(plan, committed_at)
        self._plan, self._newest = None, (plan, committed_at)
        return plan.commit(committed_at)


def _arguments(plan: Plan) -> tuple[object, ...]:
    topics, counts, firsts, ends, bodies, publishers = block_arguments(
        [block for block, _ in plan.blocks]
    )
    before: dict[int, int] = {}
    for block, first_seq in plan.blocks:
        before.setdefault(block.topic_id, first_seq - 1)
    page = plan.page
    return (
        *(topics, [first_seq for _, first_seq in plan.blocks], counts, firsts, ends, bodies),
        *(plan.batch.id, publishers, [*before], [*before.values()]),
        *mark_arguments(plan.batch.producers),
        [plan.heads[topic] for topic in before],
        *((page.number, page.topics, page.seqs, page.publishers, page.bodies) if page else ()),
    )
