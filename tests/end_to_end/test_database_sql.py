"""database.sql: loadable with psql, usable with --store, and the same as the migrations."""

import os
import re
from pathlib import Path

import asyncpg
import pytest

from broker import Broker, Settings
from broker.store.embedded.host import find_binaries
from broker.store.postgres.schema import database_sql
from tests.process import ROOT, Ended, run
from tests.wire import Wire

DATABASE_SQL = ROOT / "database.sql"


@pytest.fixture
async def loaded(empty_database: str) -> str:
    """The URL of a database that psql has loaded database.sql into."""
    ended = await psql(empty_database, "-v", "ON_ERROR_STOP=1", "-q", "-f", str(DATABASE_SQL))
    assert (ended.code, ended.out, ended.err) == (0, b"", "")
    return empty_database


async def psql(url: str, *arguments: str) -> Ended:
    return await run(*arguments, "-d", url, command=[str(tool("psql"))])


def tool(name: str) -> Path:
    return find_binaries().folder / name


def test_the_file_is_the_migrations_and_the_sample_data() -> None:
    assert DATABASE_SQL.read_text("utf-8") == database_sql()


async def test_its_schema_is_what_the_migrations_make(loaded: str, database: str) -> None:
    dumps = []
    for url in (loaded, database):
        dump = [str(tool("pg_dump")), "--schema-only", "--no-owner"]
        ended = await run("-d", url, command=dump)
        assert ended.code == 0, ended.err
        # pg_dump closes its output with a random key, new each time.
        dumps.append(re.sub(rb"\\(un)?restrict .*", b"", ended.out))
    assert dumps[0] == dumps[1]


async def test_it_holds_the_accounts_topics_and_messages_it_should(loaded: str) -> None:
    connection = await asyncpg.connect(loaded)
    roles = await connection.fetch("SELECT role, count(*) AS n FROM accounts GROUP BY role")
    assert {row["role"]: row["n"] for row in roles} == {"publisher": 3, "subscriber": 2}
    counts = await connection.fetch("SELECT topic, count(*) AS n FROM messages GROUP BY topic")
    assert {row["topic"]: row["n"] for row in counts} == {"ORDERS": 4, "WEATHER": 3, "NEWS": 3}
    heads = await connection.fetch("SELECT name, head FROM topics")
    assert {row["name"]: row["head"] for row in heads} == {"ORDERS": 4, "WEATHER": 3, "NEWS": 3}
    await connection.close()


async def test_a_broker_on_it_brings_the_example_account_its_unread_messages(loaded: str) -> None:
    async with Broker(Settings(store_url=loaded, port=0)) as broker:
        wire = await Wire.open(broker.port)
        wire.send("connect", user_email="tientavu@tamu.edu")
        lines = await wire.read_until_closed()
        await wire.close()
        wire = await Wire.open(broker.port)
        await wire.ask("create", user_email="new@example.com", user_type="publisher")
        answer = await wire.ask("create_topic", topic_name="MORE")
        assert answer == {"action": "success", "code": 0}
        await wire.close()
    assert lines[0] == {"action": "success", "code": 0}
    assert [line["action"] for line in lines[1:]] == ["unread"] * 5
    assert {"action": "unread", "message": "order 1 shipped"} in lines


async def test_loading_it_twice_changes_nothing(loaded: str) -> None:
    again = await psql(loaded, "-v", "ON_ERROR_STOP=1", "-q", "-f", str(DATABASE_SQL))
    assert again.code != 0
    connection = await asyncpg.connect(loaded)
    assert await connection.fetchval("SELECT count(*) FROM accounts") == 5
    await connection.close()


def test_psql_comes_along() -> None:
    assert os.access(tool("psql"), os.X_OK)
