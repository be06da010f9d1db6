"""What brokers on one database tell each other: LISTEN and NOTIFY on a connection of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg

from broker.store.errors import StoreError, StoreLost
from broker.store.postgres.connections import CONNECT_TIMEOUT_S, ended
from broker.store.postgres.faults import translated

CHANNEL = "pubsub_news"
RETRY_S = 0.5

# What is told can be lost, so no commit of it has to reach the disk before its answer.
_SET_UP = "SET synchronous_commit = off; SET idle_session_timeout = 0"

_logger = logging.getLogger("pubsub.store")


class NewsChannel:
    """Tells and hears. The connection is made anew where it breaks; then None is heard."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None
        self._broken = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self.heard: Callable[[str | None], None] = lambda news: None

    async def open(self) -> None:
        await self._listen()
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Hear nothing more. Harmless when repeated, or never opened."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.remove_termination_listener(self._ended)
            await ended(connection.close())

    async def tell(self, news: str) -> None:
        connection = self._connection
        if connection is None:
            raise StoreLost("the connection for news is broken")
        with translated():
            await connection.execute(
                "SELECT pg_notify($1, $2)", CHANNEL, news, timeout=CONNECT_TIMEOUT_S
            )

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            await connection.execute(_SET_UP, timeout=CONNECT_TIMEOUT_S)
            await connection.add_listener(CHANNEL, self._hear)
            connection.add_termination_listener(self._ended)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection

    def _hear(self, _connection: object, _pid: int, _channel: str, news: object) -> None:
        self.heard(str(news))

    def _ended(self, _connection: object) -> None:
        self._connection = None
        self._broken.set()

    async def _keep(self) -> None:
        """Listen anew whenever the connection has broken, until cancelled."""
        while True:
            await self._broken.wait()
            self._broken.clear()
            _logger.warning("the connection that brings news of other brokers is broken")
            while self._connection is None:
                try:
                    with translated():
                        await self._listen()
                except StoreError:
                    await asyncio.sleep(RETRY_S)
            self.heard(None)
