"""The set-ups: brokers and the store that they share, all on this machine."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.interrupting import spawn
from bench.peers.servers import Missing, stop
from bench.ports import free_ports
from bench.target import BrokerFailed, OwnTarget, Target
from broker.store.embedded import EmbeddedPostgres

START_LIMIT_S = 30.0

ON_DISK = "on disk"
WITH_KERNEL = "with the kernel of its server"
WITH_KERNELS = "with the kernels of two servers of three"


@dataclass(frozen=True)
class Setup:
    """What runs, and what an answer to a publish promises there."""

    name: str
    promise: str
    start: Callable[[Path, ExitStack], Target]


def _one(folder: Path, stack: ExitStack) -> Target:
    return stack.enter_context(OwnTarget(folder, ["--data-dir", str(folder / "data")]))


def _workers(count: int) -> Callable[[Path, ExitStack], Target]:
    def start(folder: Path, stack: ExitStack) -> Target:
        place = ["--data-dir", str(folder / "data"), "--workers", str(count)]
        return stack.enter_context(OwnTarget(folder, place))

    return start


def _on_postgres(count: int) -> Callable[[Path, ExitStack], Target]:
    def start(folder: Path, stack: ExitStack) -> Target:
        url = stack.enter_context(_postgres(folder))
        return _brokers(count, folder, url, stack)

    return start


def _on_jetstream(brokers: int, servers: int) -> Callable[[Path, ExitStack], Target]:
    def start(folder: Path, stack: ExitStack) -> Target:
        url = stack.enter_context(_nats(folder, servers))
        return _brokers(brokers, folder, url, stack)

    return start


def _brokers(count: int, folder: Path, url: str, stack: ExitStack) -> Target:
    targets = [stack.enter_context(OwnTarget(folder, ["--store", url])) for _ in range(count)]
    return Target([target.address for target in targets])


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL as a server of its own."""
    with asyncio.Runner() as runner:
        server = EmbeddedPostgres(folder / "data")
        address = runner.run(server.start())
        try:
            where = f"host={quote(address.host, safe='')}&port={address.port}"
            yield f"postgresql://{address.user}@/{address.database}?{where}"
        finally:
            runner.run(server.stop())


@contextmanager
def _nats(folder: Path, count: int) -> Iterator[str]:
    """Run so many nats-servers, as a cluster where there are several."""
    program = shutil.which("nats-server")
    if program is None:
        raise Missing("nats-server is not installed: apt-get install nats-server")
    free = free_ports(2 * count)
    ports, routes = free[:count], free[count:]
    cluster = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    with ExitStack() as stack:
        for number, (port, route) in enumerate(zip(ports, routes, strict=True)):
            settings = folder / f"nats-{number}.conf"
            settings.write_text(
                f'server_name: n{number}\nlisten: "127.0.0.1:{port}"\n'
                f'jetstream {{ store_dir: "{folder / f"nats-{number}"}" }}\n'
                + f'cluster {{ name: c, listen: "127.0.0.1:{route}", routes: [{cluster}] }}\n'
                * (count > 1)
            )
            stack.enter_context(_running([program, "-c", str(settings)], folder))
        for port in ports:
            _wait_until_there(port)
        yield "nats://" + ",".join(f"127.0.0.1:{port}" for port in ports)


@contextmanager
def _running(command: Sequence[str], folder: Path) -> Iterator[None]:
    with (folder / "nats.log").open("ab") as log:
        process = spawn([*command], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        stop(process)


def _wait_until_there(port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise BrokerFailed(f"nats-server did not listen on 127.0.0.1:{port}")


SETUPS = [
    Setup("one broker, PostgreSQL its own", ON_DISK, _one),
    Setup("2 workers, PostgreSQL their own", ON_DISK, _workers(2)),
    Setup("3 workers, PostgreSQL their own", ON_DISK, _workers(3)),
    Setup("1 broker, one PostgreSQL server", ON_DISK, _on_postgres(1)),
    Setup("2 brokers, one PostgreSQL server", ON_DISK, _on_postgres(2)),
    Setup("3 brokers, one PostgreSQL server", ON_DISK, _on_postgres(3)),
    Setup("1 broker, one nats-server", WITH_KERNEL, _on_jetstream(1, 1)),
    Setup("1 broker, three nats-servers", WITH_KERNELS, _on_jetstream(1, 3)),
    Setup("3 brokers, three nats-servers", WITH_KERNELS, _on_jetstream(3, 3)),
]
