"""The watch over the disk: what it refuses, and what it does not fall over."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from broker import Broker, Settings
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire

FLOOR = 1_000


class FakeDisk:
    """A disk with as much room as the test says, or one that cannot be asked."""

    def __init__(self) -> None:
        self.free: int | OSError = FLOOR
        self._looked = asyncio.Event()

    def statvfs(self, _: Path) -> SimpleNamespace:
        self._looked.set()
        if isinstance(self.free, OSError):
            raise self.free
        return SimpleNamespace(f_bavail=self.free, f_frsize=1)

    async def becomes(self, free: int | OSError) -> None:
        """Return when the watch has seen it twice."""
        self.free = free
        for _ in range(2):
            self._looked.clear()
            await self._looked.wait()


@pytest.fixture
async def disk(monkeypatch: pytest.MonkeyPatch) -> FakeDisk:
    disk = FakeDisk()
    monkeypatch.setattr(os, "statvfs", disk.statvfs)
    monkeypatch.setattr("broker.disk.LOOK_S", 0.0)
    return disk


@pytest.fixture
async def publisher(disk: FakeDisk, tmp_path: Path) -> AsyncIterator[Wire]:
    settings = Settings(data_dir=tmp_path, port=0, disk_floor_bytes=FLOOR)
    async with Broker(settings, MemoryStore()) as broker:
        wire = await Wire.open(broker.port)
        await wire.ask("create", user_email="p@b.c", user_type="publisher", version=2)
        await wire.ask("create_topic", topic_name="T")
        yield wire
        await wire.close()


async def reason(publisher: Wire) -> str | None:
    """Return why a publish is refused, or None."""
    reply = await publisher.ask("publish_msg", topic_name="T", msg="m")
    return reply.get("reason")


async def test_below_the_floor_publishes_are_refused_until_there_is_space(
    publisher: Wire, disk: FakeDisk
) -> None:
    assert await reason(publisher) is None
    await disk.becomes(FLOOR - 1)
    assert await reason(publisher) == "low_disk"
    assert (await publisher.ask("list_topics"))["topics"] == ["T"]
    await disk.becomes(FLOOR)
    assert await reason(publisher) is None


@pytest.mark.parametrize(("free", "refused"), [(FLOOR, None), (0, "low_disk")])
async def test_a_disk_that_cannot_be_asked_changes_nothing_and_is_logged_once(
    publisher: Wire,
    disk: FakeDisk,
    caplog: pytest.LogCaptureFixture,
    free: int,
    refused: str | None,
) -> None:
    await disk.becomes(free)
    await disk.becomes(OSError(5, "Input/output error"))
    assert await reason(publisher) == refused
    told = [one.getMessage() for one in caplog.records if "cannot be told" in one.getMessage()]
    assert len(told) == 1
    assert "Input/output error" in told[0]
    await disk.becomes(FLOOR)
    assert await reason(publisher) is None
