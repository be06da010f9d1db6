"""Reading ranges of blocks, from the table and from the journal."""

from collections.abc import Awaitable, Callable, Iterator, Sequence

import asyncpg

from broker.store.interface import StoredBlock
from broker.store.postgres.connections import Connections
from broker.store.postgres.journal import Journal
from broker.store.postgres.packed import of_array_text, unpacked
from broker.store.postgres.parts import Part, parts

# The sum leaves a block out once those before it pass the limit. It reads only the lengths:
# bodies lie out of line and are fetched for the rows that are returned.
_READ = """
SELECT first_seq, count, publishers::text, committed_at, times, bodies
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


class BlockReader:
    """Reads ranges of blocks."""

    def __init__(
        self,
        connections: Connections,
        journal: Journal,
        find_emails: Callable[[list[int]], Awaitable[dict[int, str]]],
    ) -> None:
        self._connections = connections
        self._journal = journal
        self._find_emails = find_emails
        self._emails: dict[int, str] = {}

    async def read(self, topic_id: int, seq: int, limit_bytes: int) -> list[StoredBlock]:
        found: Sequence[Part] | None = self._journal.read(topic_id, seq, limit_bytes)
        if found is None:
            rows = await self._connections.rows(_READ, topic_id, seq, limit_bytes)
            found = [part for row in rows for part in _parts(row) if part.last_seq >= seq]
        await self._learn({account for part in found for account in part.publishers})
        return [
            StoredBlock(
                part.first_seq,
                part.count,
                tuple(self._emails.get(account, "") for account in part.publishers),
                part.committed_at,
                part.bodies,
            )
            for part in found
        ]

    def forget(self, account: int) -> None:
        """The account is being deleted: what it published is nobody's from now on."""
        self._emails[account] = ""

    async def _learn(self, accounts: set[int]) -> None:
        unknown = [account for account in accounts if account not in self._emails]
        if unknown:
            # What was forgotten meanwhile stays so.
            self._emails = await self._find_emails(unknown) | self._emails


def _parts(row: asyncpg.Record) -> Iterator[Part]:
    first_seq, count, array, committed_at, times, bodies = row
    publishers = of_array_text(array)
    if times is None:
        yield Part(first_seq, count, publishers, committed_at, bodies)
    else:
        yield from parts(first_seq, unpacked(times), publishers, bodies)
