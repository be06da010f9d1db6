"""A broker, its PostgreSQL and the cables, each of which can be broken, with load on all."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from broker.store.embedded import EmbeddedPostgres
from broker.store.embedded.leftover import named_pid
from broker.store.embedded.processes import is_postmaster
from tests.doubles.relay import Relay
from tests.faults.history import Failed, History, Memory
from tests.faults.postgres_proxy import PostgresProxy
from tests.patience import until
from tests.process import PUBSUB, ROOT, environment

LIMITS = ["--cache-mb", "16", "--store-wait", "2", "--sign-in-timeout", "30"]
START_S = 60  # PostgreSQL may have to recover first
STOP_S = 30
RESTART_S = 0.1


class World:
    """A broker with PostgreSQL as its child (`embedded`), or on a server behind a proxy.

    Clients come by `port`, through a cable that can be cut, or directly by `broker_port`. A
    broker that was killed stays dead until `start_broker`; a PostgreSQL that was killed is
    started again by whoever watches it.
    """

    def __init__(
        self, folder: Path, history: History, *, embedded: bool, hold_s: float, crowd: int
    ) -> None:
        self.embedded = embedded
        self.hold_s = hold_s  # how long something is held up at most
        self.crowd = crowd  # how many come in a flood
        self.history = history
        self.port = 0
        self.clients = Relay(lambda: asyncio.open_connection("127.0.0.1", self.broker_port))
        self.proxy: PostgresProxy | None = None
        self.log = folder / "broker.log"
        self._data = folder / "data"
        self.broker_port = 0
        self._place: list[str] = []
        self._process: asyncio.subprocess.Process | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run until the block is left; then nothing of it is left running."""
        try:
            async with self._postgres(), self.clients.listening() as self.port:
                await self.start_broker()
                try:
                    yield
                finally:
                    await self.kill_broker()
        finally:
            self.send(signal.SIGKILL, [*self.postgres_processes()])

    @asynccontextmanager
    async def _postgres(self) -> AsyncIterator[None]:
        if self.embedded:
            self._place = ["--data-dir", str(self._data)]
            yield
            return
        server = EmbeddedPostgres(self._data)
        address = await server.start()
        where = f"host={quote(address.host)}&port={address.port}"
        self.proxy = PostgresProxy(f"postgresql://{address.user}@/{address.database}?{where}")
        try:
            async with self.proxy.listening() as url:
                self._place = ["--store", url]
                yield
        finally:
            await server.stop()

    # the broker

    @property
    def broker(self) -> int:
        """The pid of the broker."""
        assert self._process is not None
        return self._process.pid

    async def launch_broker(self) -> None:
        """Begin to start the broker."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *PUBSUB,
                *["broker", "--port", str(self.broker_port), *self._place, *LIMITS],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
                cwd=ROOT,
            )

    async def start_broker(self) -> None:
        """Start the broker where it was, and return when it can serve.

        As a supervisor does it tries again while a server that others run is away.
        """
        async with asyncio.timeout(START_S):
            while not await self._try_to_start():
                if self.embedded:
                    self.history.add(Failed(f"the broker did not start; {self.log} says why"))
                    return
                await asyncio.sleep(RESTART_S)

    async def _try_to_start(self) -> bool:
        await self.launch_broker()
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.startswith(b"listening on "):
            await self._process.wait()
            return False
        self.broker_port = int(line.rpartition(b":")[2])
        return True

    async def kill_broker(self) -> None:
        self.note_memory()
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def stop_broker(self) -> None:
        """Stop it as an operator does."""
        self.note_memory()
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            code = await self._process.wait()
        if code != 0:
            self.history.add(Failed(f"the broker was stopped and ended with {code}"))

    def note_memory(self) -> None:
        with suppress(FileNotFoundError, ProcessLookupError, StopIteration):
            status = Path(f"/proc/{self.broker}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
            self.history.add(Memory(int(line.split()[1]) * 1024))

    def note_complaints(self) -> None:
        """Take down what the broker logged that no fault excuses."""
        if "Traceback" in self.log.read_text(errors="replace"):
            self.history.add(Failed(f"the broker logged a traceback; {self.log} has it"))

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
