"""A PostgreSQL that runs: each thing that can be wrong with it, and its remedy."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from app.doctor import server as examined
from app.doctor.finding import Finding, Verdict
from broker import Broker
from broker.store.embedded import Address


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database)
    yield opened
    await opened.close()


async def findings(connection: asyncpg.Connection) -> list[Finding]:
    return [one async for one in examined.examine_server(connection)]


async def wrong(connection: asyncpg.Connection) -> Finding:
    """Return the one thing that is wrong."""
    (found,) = [one for one in await findings(connection) if one.verdict is Verdict.WRONG]
    assert found.remedy
    return found


async def test_a_good_server_has_nothing_wrong(connection: asyncpg.Connection) -> None:
    found = await findings(connection)
    assert Verdict.WRONG not in {one.verdict for one in found}
    told = " ".join(one.text for one in found)
    for word in ("fsync is on", "wal_sync_method is", "PostgreSQL 18", "UTF8", "the newest"):
        assert word in told
    assert "No broker serves this database just now." in told


async def test_it_says_that_a_broker_serves(broker: Broker, connection: asyncpg.Connection) -> None:
    assert any(
        "Brokers that serve this database: 1." in one.text for one in await findings(connection)
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("synchronous_commit", "off"), ("zero_damaged_pages", "on")],
)
async def test_a_setting_of_the_database_that_loses_messages_is_wrong(
    database: str, connection: asyncpg.Connection, name: str, value: str
) -> None:
    where = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {where} SET {name} = {value}")
    again = await asyncpg.connect(database)
    found = await wrong(again)
    assert found.text.startswith(f"{name} is {value}: ")
    assert found.remedy.startswith(f"ALTER DATABASE ... RESET {name}")
    await again.close()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("configuration file", "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();"),
        ("command line", "start it with -c fsync=on"),
        ("client", "take fsync out there"),
        ("user", "ALTER ROLE ... RESET fsync"),
    ],
)
def test_the_remedy_depends_on_where_it_was_set(source: str, told: str) -> None:
    remedy = examined._remedy("fsync", "on", source, "/etc/x.conf, line 12")
    assert told in remedy
    assert ("/etc/x.conf, line 12" in remedy) == (source == "configuration file")


async def test_a_transaction_that_is_left_open_is_wrong_and_its_name_is_told(
    database: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examined, "LONG", timedelta(0))
    idle = await asyncpg.connect(database, server_settings={"application_name": "report\x1b[2J"})
    await idle.execute("BEGIN; SELECT 1")
    found = await wrong(connection)
    assert "report" in found.text
    assert "idle in transaction" in found.text
    assert f"pg_terminate_backend({idle.get_server_pid()})" in found.remedy
    await idle.close()


async def test_a_forgotten_replication_slot_is_wrong(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_create_physical_replication_slot('forgotten')")
    try:
        assert "pg_drop_replication_slot('forgotten')" in (await wrong(connection)).remedy
    finally:
        await connection.execute("SELECT pg_drop_replication_slot('forgotten')")


async def test_a_database_without_a_schema_is_no_trouble_and_a_newer_one_is(
    empty_database: str,
) -> None:
    empty = await asyncpg.connect(empty_database)
    assert any("no schema yet" in one.text for one in await findings(empty))
    await empty.execute("CREATE TABLE pubsub_schema AS SELECT 1 AS version")
    assert any("makes it" in one.text for one in await findings(empty))
    await empty.execute("UPDATE pubsub_schema SET version = 99")
    assert (await wrong(empty)).text.startswith("The schema has version 99")
    await empty.close()


async def test_too_few_connections_are_wrong(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examined, "POOL_SIZE", 1_000)
    assert "a broker needs 1002" in (await wrong(connection)).text


async def test_who_may_not_see_others_is_told_what_is_lacking(
    database: str, connection: asyncpg.Connection, server: Address
) -> None:
    await connection.execute("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN")
    plain = await asyncpg.connect(database, user="plain")
    assert any("cannot be seen by this one" in one.text for one in await findings(plain))
    assert "lacks rights: permission denied for table" in (await wrong(plain)).text
    await plain.close()
