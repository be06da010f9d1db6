"""The other servers, each started on a free loopback port with its data in a temporary folder."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.dialect import Dialect
from bench.interrupting import spawn
from bench.peers.nats import Nats, NatsReader, make_stream
from bench.peers.readers import Reader
from bench.peers.redis import Redis, RedisReader
from bench.ports import free_ports
from bench.target import BrokerFailed, Target
from bench.wire import Address

START_LIMIT_S = 20.0
STOP_LIMIT_S = 30.0
SYNC_ALWAYS_SINCE = (2, 10)  # of NATS


class Missing(Exception):
    """The server is not here, or cannot do this. The text says what would help."""


@dataclass(frozen=True)
class Peer:
    """A server in one of its settings, and what its answer to a publish promises."""

    name: str
    promise: str
    program: str
    package: str
    command: Callable[[str, int, Path], Sequence[str]]
    dialect: Callable[[], Dialect]
    reader: Callable[..., Reader]
    make_topic: Callable[[Address, str], None]
    needs: Callable[[str], None] = lambda program: None  # raises `Missing`


@contextmanager
def running(peer: Peer, folder: Path) -> Iterator[Target]:
    """Run `peer` in `folder`, which is made; it has ended afterwards.

    Raises:
        Missing: it is not installed, or too old for this setting.
        BrokerFailed: it did not start.
    """
    program = shutil.which(peer.program)
    if program is None:
        raise Missing(f"{peer.program} is not installed: apt-get install {peer.package}")
    peer.needs(program)
    folder.mkdir()
    (port,) = free_ports(1)
    with (folder / "log").open("wb") as log:
        process = spawn(
            [*peer.command(program, port, folder)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_there(peer, process, ("127.0.0.1", port), folder)
        yield Target([("127.0.0.1", port)], process.pid)
    finally:
        stop(process)


def _wait_until_there(
    peer: Peer, process: "subprocess.Popen[bytes]", address: Address, folder: Path
) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(address).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    said = (folder / "log").read_text(errors="replace").strip()[-300:]
    raise BrokerFailed(f"{peer.name} did not start: {said}")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Have a server end; one that does not is killed."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _redis(fsync: str) -> Callable[[str, int, Path], Sequence[str]]:
    def command(program: str, port: int, folder: Path) -> Sequence[str]:
        options = {
            "port": str(port),
            "bind": "127.0.0.1",
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": fsync,
            "save": "",
            "auto-aof-rewrite-percentage": "0",  # nothing is rewritten while it is measured
            "maxclients": "15000",
        }
        return [
            program,
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

    return command


def _nats(sync: str) -> Callable[[str, int, Path], Sequence[str]]:
    def command(program: str, port: int, folder: Path) -> Sequence[str]:
        settings = folder / "nats.conf"
        settings.write_text(
            f'listen: "127.0.0.1:{port}"\n'
            'ping_interval: "1h"\n'  # the bare clients do not answer pings
            f'jetstream {{ store_dir: "{folder / "data"}"{sync} }}\n'
        )
        return [program, "-c", str(settings)]

    return command


def _new_enough(program: str) -> None:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < SYNC_ALWAYS_SINCE:
        needed = ".".join(map(str, SYNC_ALWAYS_SINCE))
        raise Missing(f"sync_interval: always came with NATS {needed}; this is {told.strip()}")


def _no_topic(address: Address, topic: str) -> None:
    """A stream of Redis comes about with its first message."""


PEERS = [
    Peer(
        "Redis Streams, appendfsync always",
        "on disk",
        "redis-server",
        "redis-server",
        _redis("always"),
        Redis,
        RedisReader,
        _no_topic,
    ),
    Peer(
        "Redis Streams, appendfsync everysec",
        "with the kernel; a power cut takes the last second or two",
        "redis-server",
        "redis-server",
        _redis("everysec"),
        Redis,
        RedisReader,
        _no_topic,
    ),
    Peer(
        "NATS JetStream, default",
        "with the kernel; a power cut takes up to the last two minutes",
        "nats-server",
        "nats-server",
        _nats(""),
        Nats,
        NatsReader,
        make_stream,
    ),
    Peer(
        "NATS JetStream, sync_interval always",
        "on disk",
        "nats-server",
        "nats-server",
        _nats(", sync_interval: always"),
        Nats,
        NatsReader,
        make_stream,
        _new_enough,
    ),
]
