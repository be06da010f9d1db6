"""A few connections to the server, for the catalogue and for reading."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from broker.store.postgres.faults import translated

POOL_SIZE = 4  # beside the one that appends
CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
QUERY_TIMEOUT_S = 30.0  # at most: nobody waits longer than for the store
SHORTEST_TIMEOUT_S = 1.0  # what a server that is well may take
RELEASE_TIMEOUT_S = 1.0
QUEUE_TIMEOUT_S = 30.0  # for a connection that others use: a crowd that comes back takes its time
RETRY_S = 0.1

# The server is away or not ready yet. Nothing was asked of it, so it can be asked again.
_NOT_THERE = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.TooManyConnectionsError,
)


class Connections:
    """A pool whose `acquire` waits for a server that is away, up to `wait_s` seconds.

    A connection that broke while idle is made anew unseen. One that breaks while it is used
    raises what asyncpg raises: then it is not known what became of the statement.
    """

    def __init__(self, pool: asyncpg.Pool, wait_s: float) -> None:
        self._pool = pool
        self._wait_s = wait_s

    @classmethod
    async def open(cls, target: Mapping[str, Any], wait_s: float) -> "Connections":
        """Connect to what `target`, the keywords of `asyncpg.connect`, names."""
        pool = await asyncpg.create_pool(
            **target,
            min_size=0,  # a floor would be kept up in the background, with tracebacks in the log
            max_size=POOL_SIZE,
            command_timeout=min(QUERY_TIMEOUT_S, max(wait_s, SHORTEST_TIMEOUT_S)),
            timeout=CONNECT_TIMEOUT_S,
            reset=_leave_as_it_is,
        )
        return cls(pool, wait_s)

    async def acquire(self) -> Any:
        """Return a connection; one that others use is waited for, but not for ever either."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        while True:
            try:
                return await self._pool.acquire(timeout=QUEUE_TIMEOUT_S)
            except _NOT_THERE:
                if loop.time() > deadline:
                    raise
            await asyncio.sleep(RETRY_S)

    async def release(self, connection: Any) -> None:
        """Give a connection back, which is dropped where the server does not let go of it.

        After a timeout the server is asked to end the statement, and may not hear that either.
        """
        with suppress(OSError, TimeoutError):
            await self._pool.release(connection, timeout=RELEASE_TIMEOUT_S)

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await self.acquire()
        try:
            yield connection
        finally:
            await self.release(connection)

    async def rows(
        self, query: str, *arguments: object, timeout: float | None = None
    ) -> list[asyncpg.Record]:
        """Return the rows of `query`, asked on a connection of the pool.

        Raises:
            StoreLost: there was no answer; it is not known what became of the statement.
            StoreRefused: the server says no.
        """
        with translated():
            async with self.borrowed() as connection:
                found: list[asyncpg.Record] = await connection.fetch(
                    query, *arguments, timeout=timeout
                )
                return found

    async def close(self) -> None:
        await ended(self._pool.close())

    def terminate(self) -> None:
        """Drop all connections without a word to the server."""
        self._pool.terminate()


async def ended(closing: Awaitable[None]) -> None:
    """Wait for the end of a connection or a pool, which is dropped if it takes too long."""
    with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await closing


async def _leave_as_it_is(connection: asyncpg.Connection) -> None:
    """Nothing here changes the state of a session, so there is nothing to reset."""
