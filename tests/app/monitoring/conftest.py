"""What the tests of what a broker tells over HTTP may use."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from app.monitoring import monitor
from broker import Broker, Settings
from tests.doubles.memory_store import MemoryStore


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    """A running broker on a store in memory."""
    async with Broker(Settings(store_url="memory", port=0), MemoryStore()) as running:
        yield running


@pytest.fixture
async def http(broker: Broker) -> AsyncIterator[ClientSession]:
    """Asks what `broker` tells over HTTP."""
    async with monitor(0) as monitored:
        address = await monitored(broker)
        async with ClientSession(address) as session:
            yield session
