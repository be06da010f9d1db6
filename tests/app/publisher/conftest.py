"""A publisher's screen, signed in at a broker that has topics, under a clock that stands still."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest
from textual.pilot import Pilot

from app.publisher.app import PublisherApp
from app.publisher.clock import Clock
from app.screens.app import Options
from broker import Broker
from clients import Publisher
from tests.app.frames import until

EMAIL = "ada@example.com"

Opened = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


class StandingClock(Clock):
    """Shows the same time until it is moved."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def wall(self) -> datetime:
        return datetime(2026, 1, 2, 12, 10, 31, tzinfo=UTC)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def publisher(broker: Broker) -> Callable[..., Awaitable[None]]:
    """Makes the account, and topics."""

    async def make(*topics: str) -> None:
        async with Publisher(f"127.0.0.1:{broker.port}", EMAIL, create=True) as client:
            for topic in topics:
                await client.create_topic(topic, exist_ok=True)

    return make


@pytest.fixture
def opened(
    options: Callable[..., Options],
    publisher: Callable[..., Awaitable[None]],
    clock: StandingClock,
) -> Opened:
    """Opens the screen; the first of `topics` is chosen, if there is any."""

    @asynccontextmanager
    async def open_one(
        *topics: str,
        size: tuple[int, int] = (100, 30),
        connect: str = "",
        ascii_only: bool = False,
        notifications: bool = True,
    ) -> AsyncIterator[Pilot[None]]:
        await publisher(*topics)
        app = PublisherApp(options(EMAIL, connect=connect, ascii_only=ascii_only), clock)
        async with app.run_test(size=size, notifications=notifications) as pilot:
            await until(pilot, "waiting")
            await until(pilot, f"{len(topics)} topic" if topics else "No topics yet")
            if topics:
                await pilot.press("enter")
                await until(pilot, f"Message to {topics[0][:10]}")
            yield pilot

    return open_one
