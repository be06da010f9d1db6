"""A broker's thread for the tests of its screen: a real one, and one that says what it is told."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.dashboard.app import DashboardApp
from app.dashboard.log import LogKeeper
from app.dashboard.server import BrokerThread, Phase
from broker import Settings
from broker.snapshot import Condition, SessionFigures, Snapshot, TopicFigures
from protocol.names import Role

HOSTILE = "[/x] [bold]\x1b[2J\x00\u202eevil e\u0301数据"


def topics(count: int = 3) -> tuple[TopicFigures, ...]:
    return tuple(
        TopicFigures(f"topic {number}", 100 * number, 1, 2, 7 * number) for number in range(count)
    )


def sessions(count: int = 3) -> tuple[SessionFigures, ...]:
    return tuple(
        SessionFigures(
            number, f"user{number}@example.com", Role.SUBSCRIBER, 2, 1_000 * number, 0, 5.0
        )
        for number in range(count)
    )


def snapshot(**changes: Any) -> Snapshot:
    """A broker that has served for an hour and ten minutes; `changes` are made to it."""
    one = Snapshot(
        at_s=10.0,
        up_s=4_210.0,
        condition=Condition.SERVING,
        trouble="",
        messages_in=9_818,
        messages_out=40_211,
        bytes_in=1_200_000,
        bytes_out=48_000_000,
        commits=900,
        refusals=2,
        ack_p50_s=0.0031,
        ack_p99_s=0.0114,
        connections=3,
        publishers=0,
        subscribers=3,
        slow=0,
        topic_count=3,
        stored=300,
        unread=21,
        data_bytes=48_200_000,
        free_bytes=12_300_000_000,
        topics=topics(),
        sessions=sessions(),
    )
    return replace(one, **changes)


class ToldServer(BrokerThread):
    """Has the snapshots that a test gives it; no thread runs."""

    def __init__(self) -> None:
        super().__init__(Settings(data_dir=Path("data")))
        self.phase = Phase.SERVING
        self.snapshot = snapshot()

    def tell(self, **changes: Any) -> None:
        """Go on by a second, with `changes`."""
        assert self.snapshot is not None
        at_s = self.snapshot.at_s + 1.0
        self.snapshot = replace(self.snapshot, at_s=at_s, **changes)


@pytest.fixture
def told() -> ToldServer:
    return ToldServer()


@pytest.fixture
async def running(database: str) -> AsyncIterator[BrokerThread]:
    """A real broker in its own thread, on a fresh database and a free port."""
    thread = BrokerThread(Settings(store_url=database, port=0))
    thread.start()
    yield thread
    thread.ask_to_stop()
    thread.join()


@pytest.fixture
def dashboard(tmp_path: Path) -> Callable[..., DashboardApp]:
    """Makes the screen of a server."""

    def make(server: BrokerThread, keeper: LogKeeper | None = None, **keys: bool) -> DashboardApp:
        return DashboardApp(server, keeper or LogKeeper(), config_dir=tmp_path / "config", **keys)

    return make
