"""The store on PostgreSQL where it differs from others: connections, settings, the schema."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import TypeVar
from unittest.mock import AsyncMock, create_autospec
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import pytest

from broker.store.errors import BatchOutdated, StoreLost, StoreUnusable
from broker.store.interface import Account, Batch, Commit, CursorMove, NewBlock, TopicRecord
from broker.store.postgres import PostgresStore, schema
from broker.store.postgres.log import WRITER_LOCK, BlockWriter
from protocol.frames import encode_bodies
from protocol.names import Role
from tests.doubles.relay import Relay

PLENTY = 2**20
T = TypeVar("T")

_batch_ids = count(1)


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    opened = PostgresStore(database)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def admin(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else to the same database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def shop_and_orders(store: PostgresStore) -> tuple[Account, TopicRecord]:
    shop = await store.create_account("shop@b.c", Role.PUBLISHER)
    assert shop is not None
    orders = await store.create_topic("ORDERS", shop.id)
    assert orders is not None
    return shop, orders


def batch(topic: TopicRecord, publisher: Account, *messages: str, head: int = 0) -> Batch:
    block = NewBlock(topic.id, len(messages), [publisher.id], encode_bodies(messages))
    return Batch(next(_batch_ids), [block], {topic.id: head})


async def bodies(store: PostgresStore, topic: TopicRecord) -> bytes:
    return b"".join([block.bodies for block in await store.read(topic.id, 1, PLENTY)])


async def in_the_end(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the store answers again."""
    while True:
        try:
            return await ask()
        except StoreLost:
            continue


# a connection that ends

END_WRITER = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks"
    " WHERE locktype = 'advisory' AND objid = $1 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


async def test_a_connection_that_ended_between_two_appends_costs_nothing(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop, orders = await shop_and_orders(store)
    await store.append(batch(orders, shop, "a"))
    assert await admin.fetchval(END_WRITER, WRITER_LOCK) is True
    wanted = batch(orders, shop, "b", "c", head=1)
    commit = await in_the_end(lambda: store.append(wanted))
    assert [*commit.first_seqs] == [2]
    assert await bodies(store, orders) == encode_bodies("abc")


async def test_a_connection_that_ends_in_the_middle_of_an_append_stores_nothing_twice(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop, orders = await shop_and_orders(store)
    wanted = batch(orders, shop, "a", "b")
    async with admin.transaction():
        appending = await stuck_append(store, admin, orders, wanted)
        assert await admin.fetchval(END_WRITER, WRITER_LOCK) is True
        with pytest.raises(StoreLost):
            await appending
    assert await bodies(store, orders) == b""
    commit = await in_the_end(lambda: store.append(wanted))
    assert [*commit.first_seqs] == [1]
    assert [*(await store.append(batch(orders, shop, "c", head=2))).first_seqs] == [3]
    assert await bodies(store, orders) == encode_bodies("abc")


@pytest.mark.parametrize("given_again", [True, False])
async def test_a_batch_that_a_lost_backend_still_holds_is_not_stored_behind_our_back(
    database: str, admin: asyncpg.Connection, given_again: bool
) -> None:
    relay = Relay(lambda: asyncio.open_unix_connection(socket_of(database)))
    async with relay.listening() as port:
        store = PostgresStore(through(port, database))
        await store.open()
        shop, orders = await shop_and_orders(store)
        wanted = batch(orders, shop, "a", "b")
        async with admin.transaction():
            appending = await stuck_append(store, admin, orders, wanted)
            await relay.cut()
            with pytest.raises(StoreLost):
                await appending
            if not given_again:  # the answer has to hold although the statement is not over
                assert await in_the_end(lambda: store.find_commit(wanted)) is None
        if given_again:
            assert [*(await in_the_end(lambda: store.append(wanted))).first_seqs] == [1]
        assert await bodies(store, orders) == encode_bodies("ab" if given_again else "")
        await store.close()


async def test_a_server_that_is_frozen_is_not_waited_for_without_end(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.store.postgres.log.APPEND_TIMEOUT_S", 0.05)
    monkeypatch.setattr("broker.store.postgres.connections.CLOSE_TIMEOUT_S", 0.05)
    relay = Relay(lambda: asyncio.open_unix_connection(socket_of(database)))
    async with relay.listening() as port:
        store = PostgresStore(through(port, database))
        await store.open()
        shop, orders = await shop_and_orders(store)
        relay.freeze()
        with pytest.raises(StoreLost):
            await store.find_commit(batch(orders, shop, "a"))
        await store.close()


async def test_a_frozen_server_does_not_keep_the_store_from_closing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.store.postgres.connections.CLOSE_TIMEOUT_S", 0.05)
    relay = Relay(lambda: asyncio.open_unix_connection(socket_of(database)))
    async with relay.listening() as port:
        store = PostgresStore(through(port, database))
        await store.open()
        relay.freeze()
        await store.close()
        await store.close()


async def test_a_connection_on_which_the_lock_cannot_be_asked_for_is_not_left_open() -> None:
    connection = create_autospec(asyncpg.Connection, instance=True)
    connection.fetchval.side_effect = asyncpg.ConnectionDoesNotExistError("it broke")
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await BlockWriter(AsyncMock(return_value=connection), alone=True).open()
    connection.terminate.assert_called_once_with()


async def stuck_append(
    store: PostgresStore, admin: asyncpg.Connection, topic: TopicRecord, wanted: Batch
) -> "asyncio.Task[Commit]":
    """Begin to append, and return when that waits for a lock that `admin` has taken."""
    await admin.execute("SELECT FROM topics WHERE id = $1 FOR UPDATE", topic.id)
    appending = asyncio.ensure_future(store.append(wanted))
    while not await admin.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ):
        pass  # the question takes its time
    return appending


async def test_the_catalogue_goes_on_after_its_connections_have_ended(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop, orders = await shop_and_orders(store)
    await admin.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert await in_the_end(store.topics) == [orders]
    assert await in_the_end(lambda: store.find_account("shop@b.c")) == shop
    assert await in_the_end(lambda: store.read(orders.id, 1, PLENTY)) == []
    await in_the_end(lambda: store.save_cursors([CursorMove(shop.id, orders.id, 1, 0)]))


def socket_of(url: str) -> str:
    query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    return os.path.join(query["host"], f".s.PGSQL.{query['port']}")


def through(port: int, url: str) -> str:
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc}127.0.0.1:{port}{parts.path}?sslmode=disable"


async def test_messages_outlive_the_account_that_published_them(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop, orders = await shop_and_orders(store)
    await store.append(batch(orders, shop, "a"))
    await admin.execute("DELETE FROM accounts")
    (block,) = await store.read(orders.id, 1, PLENTY)
    assert (block.bodies, block.publishers) == (b'"a"\n', ("",))


async def test_a_batch_to_a_topic_that_was_deleted_is_refused_as_a_whole(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop, orders = await shop_and_orders(store)
    news = await store.create_topic("NEWS", shop.id)
    assert news is not None
    await admin.execute("DELETE FROM topics WHERE name = 'NEWS'")
    both = replace(
        batch(orders, shop, "a"),
        blocks=[*batch(orders, shop, "a").blocks, *batch(news, shop, "b").blocks],
        heads={orders.id: 0, news.id: 0},
    )
    with pytest.raises(BatchOutdated) as outdated:
        await store.append(both)
    assert outdated.value.topics == {news.id}
    assert await bodies(store, orders) == b""
    assert [*(await store.append(batch(orders, shop, "c"))).first_seqs] == [1]


# what cannot be used


async def refusal(url: str, *, allow_unsafe: bool = False) -> str:
    """Return why a store cannot be opened."""
    with pytest.raises(StoreUnusable) as refused:
        await PostgresStore(url, allow_unsafe=allow_unsafe).open()
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


async def relations(url: str) -> list[tuple[object, ...]]:
    """Return all relations there are, which change when anything of the schema does."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT oid, xmin::text, relname, relkind, relnatts FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
    )
    await connection.close()
    return [tuple(row) for row in rows]


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


async def all_gone(url: str) -> None:
    """Return when nobody else is connected."""
    connection = await asyncpg.connect(url)
    while await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend'"
        " AND pid <> pg_backend_pid()"
    ):
        pass  # the question takes its time
    await connection.close()


@pytest.fixture
def without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store does not wait for another to let go of the database."""
    monkeypatch.setattr("broker.store.postgres.store.LOCK_WAIT_S", 0)


@pytest.mark.usefixtures("without_patience")
async def test_beside_a_store_that_shares_with_none_no_other_can_be_opened(database: str) -> None:
    store = PostgresStore(database, alone=True)
    await store.open()
    before = await relations(database)
    text = await refusal(database)
    assert text.startswith("Another broker is serving the database")
    assert "stop it first" in text
    assert await relations(database) == before
    shop, orders = await shop_and_orders(store)
    assert [*(await store.append(batch(orders, shop, "a"))).first_seqs] == [1]
    await store.close()


async def test_stores_on_one_database_give_seqs_from_one_row(
    store: PostgresStore, database: str
) -> None:
    other = PostgresStore(database)
    await other.open()
    shop, orders = await shop_and_orders(store)
    for number in range(5):
        assert [*(await store.append(batch(orders, shop, "a"))).first_seqs] == [2 * number + 1]
        assert [*(await other.append(batch(orders, shop, "b"))).first_seqs] == [2 * number + 2]
    await other.close()


async def test_stores_that_append_to_the_same_topics_in_any_order_do_not_wait_for_a_deadlock(
    store: PostgresStore, admin: asyncpg.Connection, database: str
) -> None:
    other = PostgresStore(database)
    await other.open()
    shop, orders = await shop_and_orders(store)
    topics = [orders]
    for number in range(30):
        made = await store.create_topic(f"T{number}", shop.id)
        assert made is not None
        topics.append(made)

    async def append(to: PostgresStore, order: list[TopicRecord]) -> None:
        for _ in range(30):
            some = [batch(topic, shop, "x") for topic in order]
            await to.append(
                replace(
                    some[0],
                    blocks=[one for part in some for one in part.blocks],
                    heads={topic.id: 0 for topic in order},
                )
            )

    await asyncio.gather(append(store, topics), append(other, topics[::-1]))
    assert (
        await admin.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        == 0
    )
    assert {topic.head for topic in await store.topics()} == {60}
    await other.close()


async def test_a_database_is_free_again_when_its_store_is_closed(database: str) -> None:
    for _ in range(2):
        store = PostgresStore(database)
        await store.open()
        await store.close()
    await all_gone(database)


async def test_tables_of_another_program_are_left_alone(empty_database: str) -> None:
    await execute(empty_database, "CREATE TABLE invoices (id integer); CREATE VIEW v AS SELECT 1")
    before = await relations(empty_database)
    text = await refusal(empty_database)
    assert "tables of another program (invoices, v)" in text
    assert "createdb" in text
    assert await relations(empty_database) == before


async def test_a_newer_schema_is_left_alone(database: str) -> None:
    await execute(database, "UPDATE pubsub_schema SET version = 99")
    before = await relations(database)
    text = await refusal(database)
    assert "schema version 99, made by a newer release" in text
    assert "Start the newer release" in text
    assert await relations(database) == before


async def test_a_damaged_schema_is_told(database: str) -> None:
    await execute(database, "DROP TABLE blocks CASCADE")
    assert 'relation "blocks" does not exist' in await refusal(database)
    await execute(database, "DELETE FROM pubsub_schema")
    assert "says no version. Restore it" in await refusal(database)


async def test_a_database_that_is_read_only_is_told(database: str) -> None:
    text = await refusal(f"{database}&default_transaction_read_only=on")
    assert "read only" in text
    assert "--store" in text


async def test_a_database_that_cannot_hold_all_letters_is_told(
    database: str,
) -> None:
    await execute(database, "CREATE DATABASE latin TEMPLATE template0 ENCODING latin1 LOCALE 'C'")
    text = await refusal(with_path(database, "latin"))
    assert "encoded in LATIN1" in text
    assert "createdb -E UTF8" in text
    await execute(database, "DROP DATABASE latin")


@pytest.fixture
async def guest(empty_database: str) -> AsyncIterator[str]:
    """The URL of an empty database for a user without rights in it."""
    await execute(empty_database, "CREATE ROLE guest LOGIN")
    yield with_user(empty_database, "guest")
    await execute(empty_database, "DROP OWNED BY guest; DROP ROLE guest")


async def test_rights_that_the_user_lacks_are_named(empty_database: str, guest: str) -> None:
    text = await refusal(guest)
    assert "permission denied for schema public" in text
    assert "OWNER TO" in text

    store = PostgresStore(empty_database)
    await store.open()
    await store.close()
    text = await refusal(guest)
    assert "permission denied for table pubsub_schema" in text

    await execute(empty_database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest")
    text = await refusal(guest)
    assert "INSERT on blocks" in text
    assert "SELECT" not in text
    assert "OWNER TO" in text


@pytest.mark.usefixtures("without_patience")
async def test_a_database_that_a_broker_serves_is_not_migrated_underneath_it(
    store: PostgresStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema.migrations()
    newer = schema.Migration(len(known) + 1, "newer", "CREATE TABLE newer (id integer)")
    monkeypatch.setattr(schema, "migrations", lambda: [*known, newer])
    before = await relations(database)
    text = await refusal(database)
    assert text.startswith("Another broker is serving the database")
    assert "Stop all brokers" in text
    assert await relations(database) == before


def with_path(url: str, path: str) -> str:
    return urlsplit(url)._replace(path=f"/{path}").geturl()


def with_user(url: str, user: str) -> str:
    return urlsplit(url)._replace(netloc=f"{user}@").geturl()


async def test_a_missing_database_and_an_unknown_user_are_told(database: str) -> None:
    for url, trouble in [
        (with_path(database, "nowhere"), 'database "nowhere" does not exist'),
        (with_user(database, "nobody:secret"), "nobody"),
    ]:
        text = await refusal(url)
        assert trouble in text
        assert "Check that it runs and that the user, the password and the database" in text
        assert "secret" not in text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@127.0.0.1:1/pubsub",
        "postgresql://u:secret@/pubsub?host=/nowhere",
        "postgresql://u:secret@127.0.0.1:1/pubsub?sslmode=nonsense",
        "postgresql://u:secret@127.0.0.1:1/pubsub?sslmode=verify-full&sslrootcert=/nowhere",
        "postgresql://u:secret@127.0.0.1:port/pubsub",
        "postgresql://u:secret@[::1/pubsub",
        "postgresql://u:1/secret@127.0.0.1:1/pubsub",
        "postgresql://u:secret/1@127.0.0.1:1/pubsub",
        "postgresql://u:secret#1@127.0.0.1:1/pubsub",
        "postgresql://u:secret?1@127.0.0.1:1/pubsub",
        "postgresql://u:%secret@127.0.0.1:1/pubsub",
        "mysql://u:secret@127.0.0.1/pubsub",
    ],
)
async def test_a_server_that_cannot_be_reached_is_told_without_the_password(url: str) -> None:
    text = await refusal(url)
    assert "cannot be used" in text
    assert "secret" not in text


async def test_a_refused_store_leaves_no_connection_open(database: str) -> None:
    await execute(database, "UPDATE pubsub_schema SET version = 99")
    await refusal(database)
    await refusal(f"{database}&synchronous_commit=off")
    await all_gone(database)


# what the URL says

OFF = ["synchronous_commit=off", f"options={quote('-c synchronous_commit=off')}"]


@pytest.mark.parametrize("setting", OFF)
async def test_a_setting_that_may_lose_messages_is_refused(database: str, setting: str) -> None:
    text = await refusal(f"{database}&{setting}")
    assert "has synchronous_commit off" in text
    assert "Turn it on, or say --allow-unsafe-store" in text


@pytest.mark.parametrize("setting", OFF)
async def test_a_setting_that_may_lose_messages_can_be_allowed(database: str, setting: str) -> None:
    store = PostgresStore(f"{database}&{setting}", allow_unsafe=True)
    await store.open()
    shop, orders = await shop_and_orders(store)
    await store.append(batch(orders, shop, "a"))
    assert await bodies(store, orders) == encode_bodies("a")
    await store.close()


async def test_the_query_of_the_url_counts_on_every_connection(
    database: str, admin: asyncpg.Connection
) -> None:
    store = PostgresStore(f"{database}&application_name=pubsub%20test")
    await store.open()
    await asyncio.gather(*[store.topics() for _ in range(8)])
    names = await admin.fetch(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    assert len(names) >= 2
    assert {row["application_name"] for row in names} == {"pubsub test"}
    await store.close()


# the schema


async def test_an_empty_database_gets_the_newest_schema(empty_database: str) -> None:
    store = PostgresStore(empty_database)
    await store.open()
    shop, orders = await shop_and_orders(store)
    await store.append(batch(orders, shop, "a"))
    await store.close()
    connection = await asyncpg.connect(empty_database)
    versions = await connection.fetch("SELECT version FROM pubsub_schema")
    await connection.close()
    assert [row["version"] for row in versions] == [len(schema.migrations())]


async def test_migrating_again_changes_nothing(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await schema.migrate(connection)
    before = await relations(empty_database)
    await schema.migrate(connection)
    await connection.close()
    assert await relations(empty_database) == before


async def test_two_that_migrate_at_once_take_turns(empty_database: str) -> None:
    both = [await asyncpg.connect(empty_database) for _ in range(2)]
    await asyncio.gather(*map(schema.migrate, both))
    assert await both[0].fetchval("SELECT count(*) FROM pubsub_schema") == 1
    for connection in both:
        await connection.close()


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema.migrations()
    broken = schema.Migration(len(known) + 1, "broken", "CREATE TABLE half (id int); SELECT 1 / 0")
    monkeypatch.setattr(schema, "migrations", lambda: [*known, broken])
    assert "division by zero" in await refusal(empty_database)
    assert await relations(empty_database) == []
    monkeypatch.undo()
    store = PostgresStore(empty_database)
    await store.open()
    await store.close()


async def test_an_older_schema_gets_only_what_it_lacks(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = schema.migrations()
    newer = schema.Migration(len(known) + 1, "newer", "CREATE TABLE newer (id integer)")
    before = await relations(database)
    monkeypatch.setattr(schema, "migrations", lambda: [*known, newer])
    store = PostgresStore(database)
    await store.open()
    await store.close()
    added = [row for row in await relations(database) if row not in before]
    assert [row[2] for row in added] == ["newer"]
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT version FROM pubsub_schema") == newer.version
    await connection.close()


# for people with psql


async def test_the_view_messages_has_one_row_a_message(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop, orders = await shop_and_orders(store)
    depot = await store.create_account("depot@b.c", Role.PUBLISHER)
    assert depot is not None
    commits = [
        await store.append(batch(orders, shop, "a", "b")),
        await store.append(
            Batch(
                next(_batch_ids),
                [NewBlock(orders.id, 3, [depot.id, shop.id, depot.id], encode_bodies("cde"))],
                {orders.id: 2},
            )
        ),
        await store.append(batch(orders, depot, "f", head=5)),
    ]
    times = [commit.committed_at for commit in commits]
    assert await messages(admin) == [
        ("ORDERS", 1, "shop@b.c", times[0], "a"),
        ("ORDERS", 2, "shop@b.c", times[0], "b"),
        ("ORDERS", 3, "depot@b.c", times[1], "c"),
        ("ORDERS", 4, "shop@b.c", times[1], "d"),
        ("ORDERS", 5, "depot@b.c", times[1], "e"),
        ("ORDERS", 6, "depot@b.c", times[2], "f"),
    ]


async def test_the_view_messages_shows_any_text(
    store: PostgresStore, admin: asyncpg.Connection
) -> None:
    shop, orders = await shop_and_orders(store)
    texts = ["", " ", "\n\n", "\r", "\0", "a\0b", "ü€😀", '"', "\\n", "\u2028", "x" * 100_000, ""]
    await store.append(batch(orders, shop, *texts))
    assert [row[4] for row in await messages(admin)] == texts


async def messages(admin: asyncpg.Connection) -> list[tuple[str, int, str, datetime, str]]:
    rows = await admin.fetch("SELECT * FROM messages ORDER BY topic, seq")
    assert not rows or [*rows[0].keys()] == [
        "topic",
        "seq",
        "publisher",
        "published_at",
        "message",
    ]
    return [(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]
