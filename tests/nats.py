"""Real nats-servers with JetStream, alone and as a cluster, which a test can kill."""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bench.ports import free_ports
from tests.process import WARNINGS

SERVER = shutil.which("nats-server") or (
    "/usr/sbin/nats-server" if Path("/usr/sbin/nats-server").exists() else None
)
needs_nats = pytest.mark.skipif(
    SERVER is None, reason="no nats-server on the PATH: apt-get install nats-server"
)

# nats-py forgets a connection that breaks while it is being made, and Python closes it.
FORGOTTEN = "ignore:unclosed <StreamWriter:ResourceWarning"
NATS_ENV = {"PYTHONWARNINGS": f"{WARNINGS},{FORGOTTEN}"}  # of a broker whose server is killed

START_S = 15.0
POLL_S = 0.02


class NatsServer:
    """One nats-server, which keeps its ports and its folder when it is started again."""

    def __init__(
        self, folder: Path, number: int = 1, settings: str = "", *, jetstream: bool = True
    ) -> None:
        self.folder = folder / f"n{number}"
        self.name = f"n{number}"
        self.port, self.cluster_port, self.http_port = free_ports(3)
        self.settings = settings
        self.jetstream = jetstream
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"nats://{self.address}"

    async def start(self, routes: Sequence["NatsServer"] = ()) -> None:
        """Start it; return when it takes connections."""
        assert SERVER is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        config.write_text(self._config(routes))
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                SERVER, "-c", str(config), stdout=log, stderr=log
            )
        async with asyncio.timeout(START_S):
            while not await _takes_connections(self.port):
                assert self._process.returncode is None, (self.folder / "log").read_text()[-2000:]
                await asyncio.sleep(POLL_S)

    async def kill(self) -> None:
        """As `kill -9` does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it do nothing, with all its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def told(self, path: str) -> dict[str, object]:
        """Return what it tells of itself over HTTP, as at `/jsz`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http_port)
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        found: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return found

    async def streams(self) -> set[str]:
        """Return the names of all streams, those of buckets included."""
        accounts = (await self.told("/jsz?streams=1")).get("account_details")
        details = accounts if isinstance(accounts, list) else []
        return {one["name"] for account in details for one in account.get("stream_detail") or []}

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()
        self._process = None

    def _config(self, routes: Sequence["NatsServer"]) -> str:
        places = ", ".join(f"nats://127.0.0.1:{one.cluster_port}" for one in routes)
        cluster = (
            f'cluster {{ name: pubsub, listen: "127.0.0.1:{self.cluster_port}",'
            f" routes: [{places}] }}\n"
        )
        store = f'jetstream {{ store_dir: "{self.folder}/data" }}\n'
        return (
            f"server_name: {self.name}\n"
            f'listen: "127.0.0.1:{self.port}"\n'
            f'http: "127.0.0.1:{self.http_port}"\n'
            f"{store if self.jetstream else ''}{cluster if routes else ''}{self.settings}\n"
        )


class NatsCluster:
    """Three servers on loopback."""

    def __init__(self, folder: Path, size: int = 3) -> None:
        self.servers = [NatsServer(folder, number + 1) for number in range(size)]

    @property
    def url(self) -> str:
        return f"nats://{','.join(one.address for one in self.servers)}"

    async def start(self) -> None:
        """Start all; return when the cluster has a leader."""
        await asyncio.gather(*(self.start_one(one) for one in self.servers))
        async with asyncio.timeout(START_S):
            while True:
                if await self.leader() is not None:
                    return
                await asyncio.sleep(POLL_S)

    async def start_one(self, server: NatsServer) -> None:
        await server.start(self.servers)

    async def stop(self) -> None:
        await asyncio.gather(*(one.kill() for one in self.servers))

    async def leader(self, stream: str | None = None) -> NatsServer | None:
        """Return who leads the cluster, or a stream, as far as a server knows; None: nobody."""
        for server in self.servers:
            try:
                name = _leader_in(await server.told("/jsz?streams=1"), stream)
            except (OSError, ValueError):
                continue
            found = [one for one in self.servers if one.name == name]
            if found:
                return found[0]
        return None


def _leader_in(told: dict[str, object], stream: str | None) -> object:
    if stream is None:
        meta = told.get("meta_cluster")
        return meta.get("leader") if isinstance(meta, dict) else None
    accounts = told.get("account_details")
    for account in accounts if isinstance(accounts, list) else []:
        for one in account.get("stream_detail") or []:
            if one["name"] == stream:
                return one["cluster"].get("leader")
    return None


@asynccontextmanager
async def nats_server(
    folder: Path, settings: str = "", *, jetstream: bool = True
) -> AsyncIterator[NatsServer]:
    """A server of its own for a test that changes or kills it."""
    server = NatsServer(folder, settings=settings, jetstream=jetstream)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def nats_cluster(folder: Path) -> AsyncIterator[NatsCluster]:
    """Three servers that know each other."""
    cluster = NatsCluster(folder)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


async def _takes_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
