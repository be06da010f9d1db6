"""The broker: opens its store, listens, and stops without losing anything."""

import asyncio
import logging
import os
import socket
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Self

from broker.census import Census
from broker.connection import Connection
from broker.disk import DiskWatch
from broker.door import Door
from broker.events import Event, tell
from broker.hub import Hub
from broker.listening import bind, cannot_listen, close, on_loopback, shown, too_open, watch_peers
from broker.release import release
from broker.retention import Retention
from broker.seldom import Seldom
from broker.settings import Auth, Settings
from broker.snapshot import Snapshot
from broker.store.errors import StoreError, StoreUnusable
from broker.store.interface import Store
from broker.store.jetstream import JetStreamStore
from broker.store.jetstream.address import SCHEMES as NATS_SCHEMES
from broker.store.postgres import EmbeddedStore, PostgresStore
from broker.tls import TlsEnd, server_context
from protocol.reasons import Reason

CONNECTIONS_PER_ADDRESS = 1_000  # where nothing else is said
LINGERING = 100  # who are being told that there is no room; more are sent away without a word

_logger = logging.getLogger("pubsub.broker")


class Broker:
    """A broker inside the running event loop.

        async with Broker(Settings(data_dir=folder, port=0)) as broker:
            print(broker.port)

    Several may run in one loop, each on a store of its own. When the block is left, accepted
    publishes are committed and answered, cursors are saved, clients are told, and nothing is
    left running. A broker is started once.
    """

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self.host = settings.host
        self.port = settings.port
        self._watched = settings.watched_dir or settings.data_dir
        self._store = store if store is not None else _store_of(settings)
        self._connections: set[Connection] = set()
        self._one_gone = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[asyncio.Server] = []
        self._starting = asyncio.Lock()
        self._stopping: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[None] | None = None
        self._tls: ssl.SSLContext | None = None
        self._seldom = Seldom()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the store and listen; return when clients can connect.

        A start that fails or is cancelled leaves nothing.

        Raises:
            StoreUnusable: a person has to do something about the store first.
            CannotListen: the address is taken or not ours, or the certificate cannot be used.
            TooOpen: strangers reach the address, and TLS or passwords are off.
        """
        async with self._starting:
            if self._stopping is not None:
                raise RuntimeError("this broker was stopped; make another")
            if self.settings.tls_cert is not None and self.settings.tls_key is not None:
                self._tls = server_context(self.settings.tls_cert, self.settings.tls_key)
            # Before the store: a port that is taken is known before anything is changed.
            settings = self.settings
            sockets = await bind(settings.host, settings.port, shared=settings.share_port)
            try:
                self._prepare_door(sockets)
                self._hub = Hub(self.settings, self._store, self._seldom)
                self._store.listen(self._hub.neighbours.heard)
                await self._store.open()
                scattered = self._store.takes_scattered
                self._hub.fit(self._store.block_bytes, takes_scattered=scattered)
                await self._hub.gate.prepare()
                await self._load_topics()
                self.census = Census(self._hub, self._door, self._watched)
                await self._listen(sockets)
            except BaseException:
                await self._end()
                close(sockets)
                raise
            tell(Event.STARTED, self._introduction())

    async def _load_topics(self) -> None:
        try:
            self._hub.topics.load(await self._store.topics())
        except StoreError as error:
            raise StoreUnusable(
                f"{self._store} cannot be used: {error}. Start the broker again when it can."
            ) from error

    async def serve(self) -> None:
        """Return when the broker has been stopped; raise what made it unable to go on."""
        assert self._failed is not None
        await self._failed

    async def stop(self) -> None:
        """Stop as the class promises, once it has started. A second call waits for the first."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop())
        await asyncio.shield(self._stopping)

    def _introduction(self) -> str:
        """Say who serves where, with whose data, and who gets in."""
        tls = "TLS" if self._tls is not None else "no TLS"
        return (
            f"pubsub-suite {release()} (pid {os.getpid()}) serves on"
            f" {shown(self.host, self.port)} with {tls} and --auth {self.settings.auth}; the store"
            f" is {self._store}, topics: {len([*self._hub.topics]):,}"
        )

    def _prepare_door(self, sockets: list[socket.socket]) -> None:
        settings, inside = self.settings, on_loopback(sockets)
        guarded = self._tls is not None and settings.auth is Auth.PASSWORD
        if not (inside or guarded or settings.insecure):
            raise too_open(settings.host)
        watch_peers(sockets, settings.dead_peer_s)
        usual = settings.connections if inside else CONNECTIONS_PER_ADDRESS
        self._door = Door(settings, settings.connections_per_address or usual, self._seldom)

    async def _listen(self, sockets: list[socket.socket]) -> None:
        """Serve on `sockets`, once everything that serving takes has an owner."""
        loop = asyncio.get_running_loop()
        backlog = self.settings.backlog
        for one in sockets:
            # Not serving yet: were that cancelled inside, nobody would have it to close.
            server = await loop.create_server(
                self._accept, sock=one, backlog=backlog, start_serving=False
            )
            self._servers.append(server)
        self._begin_tasks()
        try:
            for server in self._servers:
                await server.start_serving()
        except OSError as error:
            raise cannot_listen(self.settings.host, self.settings.port, error) from error
        self.host, self.port = sockets[0].getsockname()[:2]

    def _begin_tasks(self) -> None:
        loop = asyncio.get_running_loop()
        self._failed = loop.create_future()
        self._tasks = [
            loop.create_task(self._hub.log.run(), name="log"),
            loop.create_task(self._hub.keep_saving(), name="cursors"),
            loop.create_task(self.census.run(), name="census"),
        ]
        if self._store.shared:
            neighbours = self._hub.neighbours
            self._tasks.append(loop.create_task(neighbours.run(), name="neighbours"))
        retention = Retention(self.settings, self._store, self._hub.log, self._hub.topics)
        if retention.wanted:
            self._tasks.append(loop.create_task(retention.run(), name="retention"))
        if self._watched is not None:
            watch = DiskWatch(self._watched, self.settings.disk_floor_bytes)
            self._tasks.append(loop.create_task(watch.run(self._hub.log), name="disk"))
        for task in self._tasks:
            task.add_done_callback(self._task_ended)

    def snapshot(self, rows: int = 200) -> Snapshot:
        """Return how the broker is now, with at most `rows` topics and as many sessions.

        Cheap enough to be asked for several times a second.
        """
        return self.census.snapshot(rows)

    def _accept(self) -> asyncio.Protocol:
        connection = Connection(self._hub, self)
        if self._tls is None:
            return connection
        return TlsEnd(self._tls, connection, self._tell_of_stranger)

    def _tell_of_stranger(self, text: str) -> None:
        self._seldom.tell(Event.TURNED_AWAY, text)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """A task of ours has ended by itself: a fault of the program that must be seen."""
        if not task.cancelled() and self._failed is not None and not self._failed.done():
            error = task.exception() or RuntimeError(f"{task.get_name()} ended")
            _logger.critical("the broker cannot go on", exc_info=error)
            self._failed.set_exception(error)

    async def _stop(self) -> None:
        async with self._starting:
            served = bool(self._tasks)
            await self._end()
            if served:
                tell(Event.STOPPED, "stopped; what was acknowledged is in the store")
        if self._failed is not None and not self._failed.done():
            self._failed.set_result(None)

    async def _end(self) -> None:
        try:
            if self._tasks:
                tell(Event.STOPPING, f"stopping, with {len(self._connections):,} connections")
                for server in self._servers:
                    server.close()
                await self._answer_accepted()
                await self._say_goodbye()
                await self._save_cursors()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await self.census.close()
                await self._hub.close(self.settings.stop_wait_s)
                self._door.close()
            self._seldom.close()
        finally:
            await self._store.close()

    async def _answer_accepted(self) -> None:
        log = self._hub.log
        log.close(Reason.STOPPING, "the broker is being stopped; publish again when it is back")
        draining = asyncio.ensure_future(log.drain())
        # A log that has failed answers nobody any more.
        await asyncio.wait([draining, self._tasks[0]], return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()

    async def _say_goodbye(self) -> None:
        """Tell every client, and let them take what was sent, within a bounded time."""
        for connection in [*self._connections]:
            connection.session.say_goodbye()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.stop_wait_s):
                await self._all_gone()
        for connection in [*self._connections]:
            connection.abort()
        await self._all_gone()

    async def _all_gone(self) -> None:
        while self._connections:
            self._one_gone.clear()
            await self._one_gone.wait()

    def made(self, connection: Connection) -> None:
        """A connection tells that it has begun."""
        self._connections.add(connection)
        self.census.add(connection)
        if self._stopping is not None:
            connection.abort()  # it was on its way when the broker stopped listening
        elif (
            not self._door.enter(connection)
            and len(self._connections) - self._door.inside > LINGERING
        ):
            connection.abort()

    def gone(self, connection: Connection) -> None:
        """A connection tells that it has ended."""
        self._door.leave(connection)
        self._connections.discard(connection)
        self.census.forget(connection)
        self._one_gone.set()

    async def _save_cursors(self) -> None:
        try:
            await self._hub.saver.save()
        except StoreError as error:
            _logger.warning("cursors could not be saved, so some messages come again: %s", error)


def _store_of(settings: Settings) -> Store:
    wait_s = settings.store_wait_s
    if settings.store_url is not None and settings.store_url.startswith(NATS_SCHEMES):
        return JetStreamStore(settings.store_url, wait_s=wait_s)
    if settings.store_url is not None:
        unsafe = settings.allow_unsafe_store
        return PostgresStore(settings.store_url, allow_unsafe=unsafe, wait_s=wait_s)
    assert settings.data_dir is not None
    return EmbeddedStore(settings.data_dir, wait_s=wait_s)
