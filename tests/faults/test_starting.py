"""A broker starts though the one before it, or PostgreSQL, has just been killed."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest

from broker import Broker, Settings
from broker.store.postgres.log import WRITER_LOCK
from tests.faults.postgres_proxy import PostgresProxy
from tests.faults.proof import work_goes_on
from tests.faults.shop import Shop, good
from tests.faults.world import command_of, processes
from tests.patience import until
from tests.process import PUBSUB, ROOT, BrokerProcess, environment, start_broker


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
    asked: set[datetime] = set()
    await until(lambda: asks_again_for_the_lock(stranger, asked))
    assert not starting.done()
    await stranger.execute("SELECT pg_advisory_unlock($1)", WRITER_LOCK)
    broker: BrokerProcess = await starting
    await work_goes_on(broker.port)
    ended = await broker.stop()
    assert "waiting up to 10 s for it to end" in ended.err
    assert ended.err.count("waiting up to") == 1


async def asks_again_for_the_lock(connection: asyncpg.Connection, asked: set[datetime]) -> bool:
    """Whether it was asked for twice: so the first time it was not to be had."""
    asking = await connection.fetch(
        "SELECT query_start FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE 'SELECT pg_try_advisory_lock%'"
    )
    asked.update(row["query_start"] for row in asking)
    return len(asked) > 1


async def test_a_broker_waits_for_a_postgresql_that_recovers_from_a_crash(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = PostgresProxy(database)
    proxy.recover()
    async with proxy.listening() as url:
        broker = Broker(Settings(store_url=url, port=0))
        starting = asyncio.create_task(broker.start())
        await proxy.asked.wait()
        proxy.asked.clear()
        await proxy.asked.wait()
        proxy.plug_in()
        await starting
        assert caplog.text.count("the database system is starting up") == 1
        await work_goes_on(broker.port)
        await broker.stop()


@pytest.mark.parametrize("pause_s", [0, 0.05, 0.15, 0.3])
async def test_a_broker_told_to_stop_at_any_moment_of_its_start_leaves_nothing(
    data_dir: Path, pause_s: float
) -> None:
    process = await asyncio.create_subprocess_exec(
        *PUBSUB,
        *["broker", "--port", "0", "--data-dir", str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    )
    await asyncio.sleep(pause_s)  # any moment will do
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    # Before it listens for signals, nothing that it would have to undo has begun.
    assert process.returncode in (0, -signal.SIGTERM), err
    assert b"Traceback" not in err
    assert [pid for pid in processes() if bytes(data_dir) in command_of(pid)] == []
    broker = await start_broker("--port", "0", "--data-dir", data_dir)
    await work_goes_on(broker.port)
    assert (await broker.stop()).code == 0
