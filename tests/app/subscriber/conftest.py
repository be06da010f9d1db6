"""What the tests of the subscriber's screen may use: ada who reads, and bob who publishes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from app.feed.gaze import Gaze
from app.screens.app import Options
from broker import Broker
from clients import Publisher
from tests.app.frames import until
from tests.app.subscriber.desk import ADA, BOB, Noting, Open


@pytest.fixture
def address(broker: Broker) -> str:
    return f"127.0.0.1:{broker.port}"


@pytest.fixture
async def bob(address: str) -> AsyncIterator[Publisher]:
    """A publisher that is signed in, with the topics orders.eu and audit."""
    async with Publisher(address, BOB, create=True) as publisher:
        for name in ("orders.eu", "audit"):
            await publisher.create_topic(name)
        yield publisher


@pytest.fixture
def seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the screen counts as read at the next look."""
    monkeypatch.setattr("app.feed.view.Gaze", lambda: Gaze(dwell_s=0.0))


@pytest.fixture
def never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long something is on the screen, it does not count as read."""
    monkeypatch.setattr("app.feed.view.Gaze", lambda: Gaze(dwell_s=1e9))


@pytest.fixture
def screen(options: Callable[..., Options]) -> Open:
    """Opens ada's screen, signed in."""

    @asynccontextmanager
    async def open_one(
        size: tuple[int, int] = (100, 30), *, notifications: bool = True, **others: object
    ) -> AsyncIterator[Pilot[None]]:
        app = Noting(options(ADA, **others))
        async with app.run_test(size=size, notifications=notifications) as pilot:
            await until(pilot, "● live")
            yield pilot

    return open_one
