"""Moves messages from the journal to blocks, behind the appends.

A topic's messages of many commits make one row. That is what makes the journal pay: each
message is written twice, and no row is written for a single one.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate, chain, islice

import asyncpg

from broker.store.errors import StoreError, StoreRefused
from broker.store.postgres.connections import Connections
from broker.store.postgres.faults import translated
from broker.store.postgres.journal import Journal, Moved, Page
from broker.store.postgres.packed import array_text, moment, packed
from protocol.frames import one_or_each

# The more there is, the more of a topic lie in a row; and the more memory and time it takes.
ENOUGH_BYTES = 32 << 20  # in the journal: then it is moved
MOST_BYTES = 3 * ENOUGH_BYTES  # over that, appends wait
OLDEST_S = 5.0  # what is less is moved after that time
RETRY_S = 1.0
ROW_BYTES = 128 << 10  # of bodies in a row, about
STATEMENT_TOPICS = 200
STATEMENT_BYTES = 2 << 20  # of bodies, about
MOVE_TIMEOUT_S = 60.0
LOAD_TIMEOUT_S = 600.0

_logger = logging.getLogger("pubsub.store")

# Arrays run in step: $1 to $3 a topic, with its head before and after, $4 to $11 and $13 a row.
# The rows' publishers lie one after another in $12. Returned are the topics that were moved: one
# that is gone is not, nor is one whose head is not the one before.
_MOVE = """
WITH moved AS (
    UPDATE topics SET head = added.after
    FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS added (topic_id, before, after)
    WHERE topics.id = added.topic_id AND topics.head = added.before
    RETURNING topics.id
), written AS (
    INSERT INTO blocks (topic_id, first_seq, count, batch, committed_at, times, publishers, bodies)
    SELECT one.topic_id, one.first_seq, one.count, one.batch, one.committed_at, one.times,
           ((SELECT $12::text::integer[]))[one.first_publisher + 1 : one.after_publisher],
           one.bodies
    FROM unnest(
        $4::integer[], $5::bigint[], $6::integer[], $7::bigint[], $8::timestamptz[], $9::bytea[],
        $10::integer[], $11::integer[], $13::bytea[]
    ) AS one (
        topic_id, first_seq, count, batch, committed_at, times,
        first_publisher, after_publisher, bodies
    )
    JOIN moved ON moved.id = one.topic_id
)
SELECT id FROM moved
"""

_SOMETHING = "SELECT FROM journal LIMIT 1"

_HEADS = "SELECT id, head FROM topics"

_HEADS_OF = "SELECT id, head FROM topics WHERE id = ANY($1::integer[])"

_PAGES = """
SELECT page, batch, topics, seqs, publishers, bodies, committed_at FROM journal ORDER BY page
"""

_DROP = "DELETE FROM journal WHERE page <= $1"

# Left to autovacuum, the room of pages that are gone would be used again a minute later.
_VACUUM = "VACUUM journal"


class Mover:
    """Keeps the journal short."""

    def __init__(self, journal: Journal, connections: Connections) -> None:
        self._journal = journal
        self._connections = connections
        self._turn = asyncio.Lock()  # one at a time moves
        self._unsure = False  # of what is in blocks
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def something_is_left(self) -> bool:
        """Whether there is something in the table `journal`."""
        return bool(await self._ask(_SOMETHING))

    async def load(self) -> None:
        """Learn what is in the tables, into a journal that knows nothing yet."""
        with translated():
            async with (
                self._connections.borrowed() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                heads = await connection.fetch(_HEADS, timeout=LOAD_TIMEOUT_S)
                rows = await connection.fetch(_PAGES, timeout=LOAD_TIMEOUT_S)
        self._journal.load(map(tuple, heads), [Page(*row) for row in rows])

    def start(self) -> None:
        """Begin to move what is enough, or old enough, until `close`."""
        self._task = asyncio.create_task(self._keep_short())

    async def close(self) -> None:
        """End; what is in the journal then is moved when the database is opened again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def room(self) -> None:
        """Return when the journal may grow; call it before each append."""
        if self._journal.size > ENOUGH_BYTES:
            self._enough.set()
        while self._journal.size > MOST_BYTES:
            self._room.clear()
            await self._room.wait()

    async def move(self) -> None:
        """Move all that is in the journal now.

        Cancelling leaves some of it in blocks and the rest in the journal.
        """
        async with self._turn:
            pages = [*self._journal.pages]
            if not pages:
                return
            if self._unsure:
                await self._learn_heads()
            moved: dict[int, Moved] = {}
            for page in pages:
                self._journal.moving(page, moved)
                await asyncio.sleep(0)
            await self._move(moved)
            await self._ask(_DROP, pages[-1].number)
            self._journal.drop(pages)
            self._room.set()
            with suppress(StoreError):  # autovacuum does it, if a little later
                await self._ask(_VACUUM)

    async def _move(self, moved: Mapping[int, Moved]) -> None:
        self._unsure = True  # until all answers are there
        waiting = iter(moved.values())
        while some := [*_portion(waiting)]:
            rows = await self._ask(_MOVE, *_arguments(some))
            self._journal.in_blocks([moved[row["id"]] for row in rows])
        if self._left(moved):
            await self._learn_heads()  # another broker that starts may have been ahead of it
            if self._left(moved):
                raise StoreRefused("topics have other heads than they should have")
        self._unsure = False

    def _left(self, moved: Mapping[int, Moved]) -> bool:
        return any(self._journal.holds(one.topic_id, one.last_seq) for one in moved.values())

    async def _learn_heads(self) -> None:
        """Find out what a move has done that was broken off, or had no answer."""
        rows = await self._ask(_HEADS_OF, self._journal.topics())
        self._journal.in_blocks_up_to({row["id"]: row["head"] for row in rows})

    async def _keep_short(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(OLDEST_S):
                    await self._enough.wait()
            self._enough.clear()
            try:
                await self.move()
            except StoreError as error:
                _logger.warning("the journal could not be moved to blocks: %s; trying again", error)
            except Exception:
                # Were the task to end here, the journal would grow to its bound, and appends stop.
                _logger.exception("moving the journal to blocks failed; trying again")
            else:
                continue
            await asyncio.sleep(RETRY_S)
            self._enough.set()

    async def _ask(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        return await self._connections.rows(query, *arguments, timeout=MOVE_TIMEOUT_S)


def _portion(waiting: Iterator[Moved]) -> Iterator[Moved]:
    """Yield what one statement moves."""
    size = 0
    for one in islice(waiting, STATEMENT_TOPICS):
        yield one
        size += one.size
        if size >= STATEMENT_BYTES:
            break


def _rows(moved: Moved) -> Iterator[Moved]:
    """Cut what is moved of a topic into rows."""
    if moved.size <= ROW_BYTES:
        yield moved
        return
    first = size = 0
    for place, line in enumerate(moved.lines):
        if size >= ROW_BYTES:
            yield moved.part(first, place)
            first, size = place, 0
        size += len(line)
    yield moved.part(first, len(moved.lines))


def _arguments(moved: Sequence[Moved]) -> tuple[object, ...]:
    rows = [row for one in moved for row in _rows(one)]
    publishers = [one_or_each(row.publishers) for row in rows]
    ends = [*accumulate(map(len, publishers), initial=0)]
    return (
        [one.topic_id for one in moved],
        [one.first_seq - 1 for one in moved],
        [one.last_seq for one in moved],
        [row.topic_id for row in rows],
        [row.first_seq for row in rows],
        [len(row.lines) for row in rows],
        [row.batch for row in rows],
        [moment(row.times[-1]) for row in rows],
        [packed(row.times) for row in rows],
        ends[:-1],
        ends[1:],
        array_text(chain.from_iterable(publishers)),
        [b"".join(row.lines) for row in rows],
    )
