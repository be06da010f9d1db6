"""What the steps of the demonstration stand on: a broker, its data, and who is connected."""

import asyncio
import sys
from pathlib import Path

import asyncpg

from app.demo.wire import Shown, StepFailed, Wire
from broker import Broker, Settings
from broker.store.embedded import EmbeddedPostgres
from broker.store.postgres.schema import migrate, sample_sql

START_S = 30.0


class Stage:
    """A broker on a data directory of its own, and the clients of the steps."""

    def __init__(self, folder: Path, shown: Shown) -> None:
        self._folder = folder
        self._shown = shown
        self._broker: Broker | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._wires: list[Wire] = []
        self.port = 0

    async def prepare(self) -> None:
        """Fill the data directory with the sample data and start the broker in-process."""
        postgres = EmbeddedPostgres(self._folder)
        address = await postgres.start()
        try:
            connection = await asyncpg.connect(
                host=address.host, port=address.port, user=address.user, database=address.database
            )
            await migrate(connection)
            await connection.execute(sample_sql())
            await connection.close()
        finally:
            await postgres.stop()
        await self.start()

    async def start(self) -> None:
        """Start the broker in this process."""
        self._broker = Broker(Settings(data_dir=self._folder, port=0))
        await self._broker.start()
        self.port = self._broker.port

    async def start_process(self) -> int:
        """Start the broker as a process of its own and return its number."""
        await self.stop()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.main",
            "broker",
            "--port=0",
            f"--data-dir={self._folder}",
            "--log-level=error",
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                line = (await self._process.stdout.readline()).decode()
        except TimeoutError:
            raise StepFailed(f"the broker did not start within {START_S:g} s") from None
        if not line.startswith("listening on "):
            raise StepFailed("the broker could not be started")
        self.port = int(line.rpartition(":")[2])
        return self._process.pid

    async def kill(self) -> None:
        """Kill the broker's process as `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        self._process = None

    async def connect(self, who: str) -> Wire:
        self._wires.append(await Wire.open(who, self.port, self._shown))
        return self._wires[-1]

    async def stop(self) -> None:
        """Stop whatever runs; the data stays."""
        for wire in self._wires:
            await wire.leave()
        self._wires.clear()
        if self._broker is not None:
            await self._broker.stop()
            self._broker = None
        if self._process is not None:
            await self.kill()
