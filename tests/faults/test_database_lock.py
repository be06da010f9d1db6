"""A broker that died leaves the database held for a moment: the next one waits for it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from broker.store.postgres.log import WRITER_LOCK
from tests.faults.proof import work_goes_on
from tests.faults.shop import Shop, good
from tests.patience import until
from tests.process import BrokerProcess, start_broker


@pytest.fixture
async def stranger(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's connection to the same database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def test_a_broker_killed_in_a_commit_that_is_stuck_can_be_started_again(
    database: str, stranger: asyncpg.Connection
) -> None:
    broker = await start_broker("--port", "0", "--store", database)
    async with Shop.on(broker.port) as shop, stranger.transaction():
        good(await shop.publish("before"))
        await stranger.execute("SELECT FROM topics FOR UPDATE")
        shop.send("stuck")
        await until(lambda: waits_for_a_lock(stranger))
        await broker.kill()
        # The stranger still holds what the dead broker's backend waits for.
        again = await start_broker("--port", "0", "--store", database)
    await work_goes_on(again.port)
    assert (await again.stop()).code == 0


async def waits_for_a_lock(connection: asyncpg.Connection) -> bool:
    waiting: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return waiting > 0


async def test_a_broker_says_that_it_waits_for_another_and_starts_when_that_has_ended(
    database: str, stranger: asyncpg.Connection
) -> None:
    await stranger.execute("SELECT pg_advisory_lock($1)", WRITER_LOCK)
    starting = asyncio.ensure_future(start_broker("--port", "0", "--store", database))
    await until(lambda: asks_for_the_lock(stranger))
    assert not starting.done()
    await stranger.execute("SELECT pg_advisory_unlock($1)", WRITER_LOCK)
    broker: BrokerProcess = await starting
    await work_goes_on(broker.port)
    ended = await broker.stop()
    assert "waiting up to 10 s for it to end" in ended.err
    assert ended.err.count("waiting up to") == 1


async def asks_for_the_lock(connection: asyncpg.Connection) -> bool:
    asking: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE 'SELECT pg_try_advisory_lock%'"
    )
    return asking > 0
