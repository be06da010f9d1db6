"""A broker, its PostgreSQL and the cables, each of which can be broken, with load on all."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from broker.store.embedded import EmbeddedPostgres
from broker.store.embedded.leftover import named_pid
from broker.store.embedded.processes import is_postmaster
from tests.doubles.relay import Relay
from tests.faults.history import History
from tests.faults.node import Node
from tests.faults.postgres_proxy import PostgresProxy
from tests.patience import until
from tests.process import PUBSUB

HASTY = [sys.executable, "-m", "tests.faults.hasty"]


class World:
    """A broker with PostgreSQL as its child (`embedded`), or on a server behind a proxy.

    Clients come by `ports`, through a cable that can be cut, or by `direct`. A
    broker that was killed stays dead until `start_broker`; a PostgreSQL that was killed is
    started again by whoever watches it.
    """

    def __init__(
        self,
        folder: Path,
        history: History,
        *,
        embedded: bool,
        hold_s: float,
        crowd: int,
        hasty: bool = False,
    ) -> None:
        self.embedded = embedded
        self._hasty = hasty  # moves the journal to blocks all the time
        self.hold_s = hold_s  # how long something is held up at most
        self.crowd = crowd  # how many come in a flood
        self.history = history
        self.port = 0
        self.clients = Relay(lambda: asyncio.open_connection("127.0.0.1", self.broker_port))
        self.proxy: PostgresProxy | None = None
        self._log = folder / "broker.log"
        self._data = folder / "data"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run until the block is left; then nothing of it is left running."""
        try:
            async with self._postgres() as place, self.clients.listening() as self.port:
                self._node = Node(
                    self._log,
                    self.history,
                    place,
                    patient=not self.embedded,
                    program=HASTY if self._hasty else PUBSUB,
                )
                await self.start_broker()
                try:
                    yield
                finally:
                    await self.kill_broker()
        finally:
            self.send(signal.SIGKILL, [*self.postgres_processes()])

    @asynccontextmanager
    async def _postgres(self) -> AsyncIterator[list[str]]:
        """Return where the broker keeps what it has."""
        if self.embedded:
            yield ["--data-dir", str(self._data)]
            return
        server = EmbeddedPostgres(self._data)
        address = await server.start()
        where = f"host={quote(address.host)}&port={address.port}"
        self.proxy = PostgresProxy(f"postgresql://{address.user}@/{address.database}?{where}")
        try:
            async with self.proxy.listening() as url:
                yield ["--store", url]
        finally:
            await server.stop()

    # the broker

    @property
    def broker(self) -> int:
        """The pid of the broker."""
        return self._node.pid

    @property
    def broker_port(self) -> int:
        return self._node.port

    async def launch_broker(self) -> None:
        """Begin to start the broker."""
        await self._node.launch()

    async def start_broker(self) -> None:
        """Start the broker where it was, and return when it can serve."""
        await self._node.start()

    async def kill_broker(self) -> None:
        await self._node.kill()

    async def stop(self) -> None:
        """Stop the broker as an operator does."""
        await self._node.stop()

    def note_complaints(self) -> None:
        """Take down what the broker logged that no fault excuses."""
        self._node.note_complaints()

    # PostgreSQL

    async def postmaster(self) -> int:
        """Return the pid of the postmaster, once there is one."""
        await until(lambda: any(self._postmaster()))
        return next(self._postmaster())

    def _postmaster(self) -> Iterator[int]:
        cluster = self._data / "postgres"
        pid = named_pid(cluster / "postmaster.pid")
        # Between two servers the notice names whoever starts the next.
        if pid is not None and is_postmaster(pid, cluster):
            yield pid

    def backends(self) -> list[int]:
        """The pids of the processes that serve the broker."""
        masters = {*self._postmaster()}
        return [
            pid
            for pid in processes()
            if parent_of(pid) in masters and b"postgres pubsub " in command_of(pid)
        ]

    def postgres_processes(self) -> Iterator[int]:
        for master in self._postmaster():
            yield master
            yield from (pid for pid in processes() if parent_of(pid) == master)

    # what a round knows of it

    @property
    def ports(self) -> list[int]:
        return [self.port]

    @property
    def direct(self) -> list[int]:
        return [self.broker_port]

    @staticmethod
    def send(number: signal.Signals, pids: Iterable[int]) -> None:
        """Signal those of `pids` that are still there."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def processes() -> list[int]:
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]


def parent_of(pid: int) -> int | None:
    """Return the parent of a process that lives; None where it does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[1])


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
