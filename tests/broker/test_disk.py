"""The watch over the disk: what it refuses, and what it does not fall over."""

import os
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from broker import Broker, Settings
from tests.doubles.memory_store import MemoryStore
from tests.patience import until
from tests.wire import Wire

FLOOR = 1_000
HANG_S = 5  # at most, so that a test ends that is held up


@dataclass
class Room:
    """What a disk says of itself from now on, and how often it was asked."""

    free: int | OSError
    looks: int = 0


class FakeDisk:
    """A disk with as much room as the test says, one that cannot be asked, or one that hangs."""

    def __init__(self) -> None:
        self._room = Room(FLOOR)
        self._goes_on = threading.Event()
        self._goes_on.set()
        self.hanging = 0  # who waits for it
        self.gave_up = False

    def statvfs(self, _: Path) -> SimpleNamespace:
        self.hanging += 1
        if not self._goes_on.wait(HANG_S):
            self.gave_up = True
            self._goes_on.set()
        self.hanging -= 1
        room = self._room
        room.looks += 1
        if isinstance(room.free, OSError):
            raise room.free
        return SimpleNamespace(f_bavail=room.free, f_frsize=1)

    async def becomes(self, free: int | OSError) -> None:
        """Return when the watch has seen it, and looked again."""
        room = self._room = Room(free)
        await until(lambda: room.looks >= 2)

    async def hangs(self) -> None:
        """Return when somebody waits for its answer."""
        self._goes_on.clear()
        await until(lambda: self.hanging > 0 or self.gave_up)

    def answers(self) -> None:
        self._goes_on.set()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDisk]:
    disk = FakeDisk()
    monkeypatch.setattr(os, "statvfs", disk.statvfs)
    monkeypatch.setattr("broker.disk.LOOK_S", 0.0)
    yield disk
    disk.answers()


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


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said of a disk that cannot be asked."""
    return [text for text in caplog.messages if "cannot be told" in text]


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
    (told,) = warnings(caplog)
    assert "Input/output error" in told
    await disk.becomes(FLOOR)
    assert await reason(publisher) is None


@pytest.mark.parametrize(("free", "refused"), [(FLOOR, None), (0, "low_disk")])
async def test_a_disk_that_hangs_holds_nobody_up_and_is_logged_once(
    publisher: Wire,
    disk: FakeDisk,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    refused: str | None,
) -> None:
    monkeypatch.setattr("broker.disk.LIMIT_S", 0.01)
    await disk.becomes(free)
    await disk.hangs()
    assert not disk.gave_up
    await until(lambda: bool(warnings(caplog)))
    for _ in range(20):
        assert await reason(publisher) == refused
    assert not disk.gave_up  # before all of them were answered
    assert disk.hanging == 1
    (told,) = warnings(caplog)
    assert "no answer for 0.01 s" in told
    disk.answers()
    await disk.becomes(0)
    assert await reason(publisher) == "low_disk"
    await disk.becomes(FLOOR)
    assert await reason(publisher) is None


async def test_a_broker_stops_while_its_disk_hangs(disk: FakeDisk, tmp_path: Path) -> None:
    async with Broker(Settings(data_dir=tmp_path, port=0), MemoryStore()):
        await disk.hangs()
    assert not disk.gave_up


async def test_what_a_disk_that_hangs_has_left_is_not_known(
    disk: FakeDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.census.DISK_LIMIT_S", 0.1)
    monkeypatch.setattr("broker.census.PAUSE_S", 0.0)
    async with Broker(Settings(data_dir=tmp_path, port=0), MemoryStore()) as broker:
        await until(lambda: broker.snapshot().free_bytes == FLOOR)
        await disk.hangs()
        await until(lambda: broker.snapshot().free_bytes is None)
        assert broker.snapshot().data_bytes is None
        disk.answers()
        await until(lambda: broker.snapshot().free_bytes == FLOOR)
    assert not disk.gave_up
