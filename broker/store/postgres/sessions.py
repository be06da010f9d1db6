"""Sessions and what they change: epochs, subscriptions, cursors.

Every statement looks at the account's epoch together with what it changes, so that a session
which was taken over, be it at another broker, changes nothing any more.
"""

from collections.abc import Sequence

import asyncpg

from broker.store.errors import StoreRefused, Superseded
from broker.store.interface import CursorMove, ProducerMark
from broker.store.postgres.connections import Connections
from broker.store.postgres.faults import translated

_BEGIN = "UPDATE accounts SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch"

# The row is locked until this is committed: an append that carries the epoch before it has
# either been committed, and is seen here, or finds the new epoch.
_BEGIN_PRODUCER = """
INSERT INTO producers (account_id, producer, last_id, epoch) VALUES ($1, $2, 0, 1)
ON CONFLICT (account_id, producer) DO UPDATE SET epoch = producers.epoch + 1
RETURNING last_id, refused, epoch
"""

# FOR SHARE: a session that begins meanwhile waits for the end of this one's statement.
_SUBSCRIBE = """
INSERT INTO subscriptions (account_id, topic_id, cursor)
SELECT id, $2, $3 FROM accounts WHERE id = $1 AND epoch = $4 FOR SHARE
ON CONFLICT (account_id, topic_id) DO UPDATE SET cursor = excluded.cursor
RETURNING topic_id
"""

_UNSUBSCRIBE = """
WITH holder AS (
    SELECT id FROM accounts WHERE id = $1 AND epoch = $3 FOR SHARE
), gone AS (
    DELETE FROM subscriptions USING holder
    WHERE account_id = holder.id AND topic_id = $2
    RETURNING topic_id
)
SELECT EXISTS (SELECT FROM holder) AS held, EXISTS (SELECT FROM gone) AS gone
"""

_SAVE_CURSORS = """
WITH moved AS MATERIALIZED (
    SELECT place, account_id, topic_id, seq,
           accounts.epoch IS NOT DISTINCT FROM wanted.epoch AS held
    FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
        AS wanted (account_id, topic_id, seq, epoch, place)
    LEFT JOIN accounts ON accounts.id = wanted.account_id
), saved AS (
    UPDATE subscriptions SET cursor = moved.seq
    FROM moved
    WHERE moved.held
      AND subscriptions.account_id = moved.account_id
      AND subscriptions.topic_id = moved.topic_id
      AND subscriptions.cursor < moved.seq
)
SELECT place FROM moved WHERE NOT held ORDER BY place
"""


class Sessions:
    """The statements of sessions, on connections of the store's pool."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def begin(self, account_id: int) -> int | None:
        row = await self._row(_BEGIN, account_id)
        return row["epoch"] if row is not None else None

    async def begin_producer(self, account_id: int, producer: str) -> ProducerMark | None:
        try:
            row = await self._row(_BEGIN_PRODUCER, account_id, producer)
        except StoreRefused as error:
            if isinstance(error.__cause__, asyncpg.ForeignKeyViolationError):
                return None  # the account is gone
            raise
        assert row is not None
        return ProducerMark(
            account_id, producer, row["last_id"], tuple(row["refused"]), row["epoch"]
        )

    async def subscribe(self, account_id: int, topic_id: int, cursor: int, epoch: int) -> None:
        if await self._row(_SUBSCRIBE, account_id, topic_id, cursor, epoch) is None:
            raise _superseded()

    async def unsubscribe(self, account_id: int, topic_id: int, epoch: int) -> bool:
        row = await self._row(_UNSUBSCRIBE, account_id, topic_id, epoch)
        assert row is not None
        if not row["held"]:
            raise _superseded()
        return bool(row["gone"])

    async def save_cursors(self, moved: Sequence[CursorMove]) -> list[CursorMove]:
        columns = (
            [one.account_id for one in moved],
            [one.topic_id for one in moved],
            [one.seq for one in moved],
            [one.epoch for one in moved],
        )
        rows = await self._connections.rows(_SAVE_CURSORS, *columns)
        return [moved[row["place"] - 1] for row in rows]

    async def _row(self, query: str, *arguments: object) -> asyncpg.Record | None:
        with translated():
            async with self._connections.borrowed() as connection:
                row: asyncpg.Record | None = await connection.fetchrow(query, *arguments)
                return row


def _superseded() -> Superseded:
    return Superseded("a newer session of this account has begun")
