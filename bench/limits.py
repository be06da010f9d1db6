"""What the machine itself can do: the same work with no broker in between."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import uvloop

from bench.load import LoadProcess, run_together
from bench.messages import texts
from bench.sender import Sender
from bench.subscribers import Subscribers
from broker.store.embedded import Address, EmbeddedPostgres
from broker.store.interface import Batch, NewBlock
from broker.store.postgres.journal import Journal
from broker.store.postgres.lone import LoneWriter
from broker.store.postgres.schema import migrate
from protocol.frames import encode_bodies

WAL_PAGE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Limit:
    """One of the machine's limits, in units a second."""

    name: str
    best: float
    median: float


class BareStore:
    """PostgreSQL as the broker runs it, in a temporary folder, without the broker."""

    def __init__(self, runner: asyncio.Runner, address: Address) -> None:
        self._runner = runner
        self._address = address
        self._topics = 0

    def inserts(self, count: int, block: int, publishers: int, rounds: int) -> Limit:
        """Store `count` messages in blocks of `block`, one after another: messages a second."""
        return _limit("bare inserts", self._figures(count, block, publishers, rounds))

    def commits(self, count: int, rounds: int) -> Limit:
        """Store one message at a time: commits a second."""
        return _limit("bare commits", self._figures(count, 1, 1, rounds))

    def _figures(self, count: int, block: int, publishers: int, rounds: int) -> list[float]:
        self._runner.run(self._store(max(1, count // 10), block, publishers))  # to warm up
        return [
            count / self._runner.run(self._store(count, block, publishers)) for _ in range(rounds)
        ]

    async def _store(self, count: int, block: int, publishers: int) -> float:
        """Return the seconds it took to append a topic of so many messages."""
        messages = [*texts(0, block)]
        # Where publishers differ a block names one for each message, as the broker's does.
        accounts = [number % publishers + 1 for number in range(block)] if publishers > 1 else [1]
        topic = await self._new_topic()
        journal = Journal()
        journal.know(topic, 0)
        writer = LoneWriter(self._connect, journal)
        assert await writer.open()
        try:
            blocks = max(1, round(count / block))
            bodies = encode_bodies(messages)
            started = time.monotonic()
            for number in range(blocks):
                head = {topic: number * block}
                new = NewBlock(topic, block, accounts, bodies)
                await writer.append(Batch(number, [new], head))
            return (time.monotonic() - started) * count / (blocks * block)
        finally:
            await writer.close()

    async def _new_topic(self) -> int:
        self._topics += 1
        connection = await self._connect()
        try:
            topic = await connection.fetchval(
                "INSERT INTO topics (name) VALUES ($1) RETURNING id", f"bare-{self._topics}"
            )
        finally:
            await connection.close()
        assert isinstance(topic, int)
        return topic

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(**asdict(self._address))


@contextmanager
def bare_store(folder: Path) -> Iterator[BareStore]:
    """A store in `folder`, which is made; nothing of it runs afterwards."""
    postgres = EmbeddedPostgres(folder)
    # The same event loop as the broker's, or the limit would be lower than it is.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            address = runner.run(postgres.start())
            runner.run(_migrated(address))
            yield BareStore(runner, address)
        finally:
            runner.run(postgres.stop())


def writes(readers: int, count: int, block: int, rounds: int) -> Limit:
    """Write `count` lines to each of `readers` over loopback: deliveries a second."""
    _write(readers, max(1, count // 10), block)  # to warm up
    figures = [count * readers / _write(readers, count, block) for _ in range(rounds)]
    return _limit("bare writes", figures)


def fdatasyncs(folder: Path, count: int, rounds: int) -> Limit:
    """Overwrite a page of a file and wait until it is on disk: times a second."""
    return _limit("bare fdatasync", [count / _sync(folder, count) for _ in range(rounds)])


async def _migrated(address: Address) -> None:
    connection = await asyncpg.connect(**asdict(address))
    try:
        await migrate(connection)
    finally:
        await connection.close()


def _write(readers: int, count: int, block: int) -> float:
    """Return the seconds from the first byte sent to the last one read."""
    with LoadProcess(Sender(readers, count, block)) as sender:
        assert isinstance(sender.prepared, tuple)
        openings = [b""] * readers
        subscribers = Subscribers(sender.prepared, 1, openings, 0, 1, count)
        with LoadProcess(subscribers) as reading:
            read, sent = run_together([reading, sender])
            sender.check()
            reading.check()
    return (read.ended_ns - sent.started_ns) / 1e9


def _sync(folder: Path, count: int) -> float:
    page = b"x" * WAL_PAGE_BYTES
    pages = 1024
    with tempfile.TemporaryFile(dir=folder) as file:
        # The blocks of the file are there before the time is taken, as those of a WAL
        # segment are.
        os.pwrite(file.fileno(), page * pages, 0)
        os.fsync(file.fileno())
        started = time.monotonic()
        for number in range(count):
            os.pwrite(file.fileno(), page, number % pages * WAL_PAGE_BYTES)
            os.fdatasync(file.fileno())
        return time.monotonic() - started


def _limit(name: str, figures: list[float]) -> Limit:
    return Limit(name, max(figures), statistics.median(figures))
