"""Brokers that a person signs in at."""

from collections.abc import AsyncIterator

import pytest

from broker import Auth, Broker, Settings


@pytest.fixture
async def strict(database: str) -> AsyncIterator[Broker]:
    """A broker that asks for passwords."""
    async with Broker(Settings(store_url=database, port=0, auth=Auth.PASSWORD)) as running:
        yield running
