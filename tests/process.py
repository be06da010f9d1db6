"""The real commands as processes of their own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.ports import free_ports

PUBSUB = [sys.executable, "-m", "app.main"]
ROOT = Path(__file__).parent.parent


# SQLAlchemy 1.3 on Python 3.12 and later; everything else is an error.
WARNINGS = (
    "error,ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning:sqlalchemy.sql.sqltypes"
)


def environment(extra: Mapping[str, str] = {}) -> dict[str, str]:
    """Return this process's environment without settings of ours, and with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PUBSUB_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": WARNINGS} | dict(extra)


def free_port() -> int:
    """Return a port on which nobody listens."""
    return free_ports(1)[0]


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: bytes
    err: str


async def run(
    *arguments: str | Path,
    given: bytes | Path = b"",
    env: Mapping[str, str] = {},
    cwd: Path = ROOT,
    command: list[str] = PUBSUB,
) -> Ended:
    """Run `pubsub` with `arguments` to its end; `given` is its standard input."""
    file = given.open("rb") if isinstance(given, Path) else None
    with file or nullcontext():
        process = await asyncio.create_subprocess_exec(
            *command,
            *map(str, arguments),
            stdin=file or subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(env),
            cwd=cwd,
        )
    out, err = await process.communicate(None if isinstance(given, Path) else given)
    assert process.returncode is not None
    return Ended(process.returncode, out, err.decode())


class BrokerProcess:
    """A running `pubsub broker`."""

    def __init__(self, process: asyncio.subprocess.Process, line: str) -> None:
        self._process = process
        self.line = line
        self.port = int(line.rpartition(":")[2])
        self.pid = process.pid

    @property
    def connect(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def read_log_line(self) -> str:
        assert self._process.stderr is not None
        return (await self._process.stderr.readline()).decode()

    async def logs(self, text: str) -> None:
        """Wait until it logs a line with `text`."""
        while text not in (line := await self.read_log_line()):
            assert line, f"it ended without {text!r}"

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Signal it to stop, and return how it ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)
        out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return Ended(self._process.returncode, self.line.encode() + out, err.decode())


async def start_broker(
    *arguments: str | Path,
    env: Mapping[str, str] = {},
    cwd: Path = ROOT,
    command: list[str] = PUBSUB,
) -> BrokerProcess:
    """Start `pubsub broker` and return once it can serve."""
    process = await asyncio.create_subprocess_exec(
        *command,
        "broker",
        *map(str, arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(env),
        cwd=cwd,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    if not line.startswith("listening on "):
        _, err = await process.communicate()
        raise AssertionError(f"the broker did not start: {line}{err.decode()}")
    return BrokerProcess(process, line)


@asynccontextmanager
async def running_broker(*arguments: str | Path) -> AsyncIterator[BrokerProcess]:
    """A broker on a free port that is stopped in the end."""
    broker = await start_broker("--port", "0", *arguments)
    try:
        yield broker
    finally:
        await broker.stop()
