"""What every test of the client library may use."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from broker import Broker
from clients import Publisher, Subscriber
from clients.backoff import Backoff
from tests.doubles.fake_broker import FakeBroker

AT_ONCE = Backoff(first_s=0.01, longest_s=0.05)


@pytest.fixture
async def fake() -> AsyncIterator[FakeBroker]:
    async with FakeBroker() as listening:
        yield listening


@pytest.fixture
def address(broker: Broker) -> str:
    """Where `broker` listens."""
    return f"127.0.0.1:{broker.port}"


@pytest.fixture
def publishing(address: str) -> Callable[..., Publisher]:
    """A way to make publishers of `broker`, not open yet, whose account is made."""

    def make(email: str = "p@b.c", **options: Any) -> Publisher:
        usual: dict[str, Any] = {"create": True, "backoff": AT_ONCE}
        return Publisher(address, email, **(usual | options))

    return make


@pytest.fixture
def subscribing(address: str) -> Callable[..., Subscriber]:
    """The same of subscribers."""

    def make(email: str = "s@b.c", **options: Any) -> Subscriber:
        usual: dict[str, Any] = {"create": True, "backoff": AT_ONCE}
        return Subscriber(address, email, **(usual | options))

    return make
