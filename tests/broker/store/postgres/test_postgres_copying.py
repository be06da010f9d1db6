"""Copying on PostgreSQL where it differs from others: locks, batches, names of one place."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from broker.store.copying import CopiedAccount, CopiedTopic, TopicBlocks
from broker.store.embedded import Address
from broker.store.errors import StoreLost, StoreRefused, StoreUnusable
from broker.store.interface import StoredBlock
from broker.store.places import UnknownPlace, copyable
from broker.store.postgres import PostgresStore
from broker.store.postgres.copying import PostgresCopy
from broker.store.postgres.log import WRITER_LOCK
from protocol.frames import encode_bodies
from protocol.names import Role
from tests.broker.store.postgres.test_postgres_store import END_WRITER

NOW = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresCopy]:
    made = PostgresCopy(PostgresStore(database, alone=True))
    await made.open(there=True)
    await made.put_accounts([CopiedAccount("shop@b.c", Role.PUBLISHER, None)])
    await made.put_topics([CopiedTopic("ORDERS", "shop@b.c", NOW, 0, 0)])
    yield made
    await made.close()


@pytest.fixture
async def admin(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
def without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.store.postgres.store.LOCK_WAIT_S", 0)


def part(first_seq: int, *texts: str) -> TopicBlocks:
    bodies = encode_bodies(texts)
    return TopicBlocks("ORDERS", [StoredBlock(first_seq, len(texts), ("",), NOW, bodies)])


@pytest.mark.usefixtures("without_patience")
async def test_a_database_that_is_served_is_not_copied(database: str) -> None:
    served = PostgresStore(database)
    await served.open()
    for there in (True, False):
        with pytest.raises(StoreUnusable, match="is in use: brokers are serving it, or it is"):
            await copyable(database).open(there=there)
    await served.close()


@pytest.mark.usefixtures("without_patience", "store")
async def test_a_database_that_is_copied_is_not_served(database: str) -> None:
    with pytest.raises(StoreUnusable, match="or `pubsub copy` is copying it"):
        await PostgresStore(database).open()


async def test_nothing_is_put_once_the_lock_is_lost(
    store: PostgresCopy, admin: asyncpg.Connection
) -> None:
    await store.put_blocks([part(1, "a")])
    assert await admin.fetchval(END_WRITER, WRITER_LOCK) is True
    with pytest.raises(StoreLost):
        await store.put_blocks([part(2, "b")])
    with pytest.raises(StoreLost, match="the connection that kept brokers away is lost"):
        await store.put_blocks([part(2, "b")])
    with pytest.raises(StoreLost):
        await store.check_alone()
    assert await admin.fetchval("SELECT head FROM topics") == 1
    assert await admin.fetchval("SELECT count(*) FROM blocks") == 1


# The second of two large blocks waits for whoever holds the lock.
HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.first_seq = 2 THEN PERFORM pg_advisory_xact_lock_shared(4711); END IF;
    RETURN new;
END $$;
CREATE TRIGGER hold BEFORE INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION hold();
SELECT pg_advisory_lock(4711);
"""
WAITING = "FROM pg_locks WHERE objid = 4711 AND NOT granted"


async def test_a_server_that_goes_away_while_much_is_put_keeps_nobody_waiting(
    store: PostgresCopy, admin: asyncpg.Connection
) -> None:
    await admin.execute(HOLD)
    parts = [part(seq, "x" * 4_000_000) for seq in range(1, 5)]  # more than any buffer takes
    putting = asyncio.create_task(store.put_blocks(parts))
    while not await admin.fetchval(f"SELECT EXISTS (SELECT {WAITING})"):
        assert not putting.done()
    await admin.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")
    with pytest.raises(StoreLost, match="the connection broke"):
        await putting
    assert await admin.fetchval("SELECT count(*) FROM blocks") == 0


async def test_blocks_that_do_not_follow_are_refused_with_all_that_came_with_them(
    store: PostgresCopy,
) -> None:
    for parts in ([part(1, "a"), part(3, "c")], [part(2, "b")]):
        with pytest.raises(StoreRefused, match="does not follow"):
            await store.put_blocks(parts)
    assert await store.read("ORDERS", 1) == []


async def test_what_was_one_commit_stays_one_for_retention(
    store: PostgresCopy, database: str
) -> None:
    first, second, third = part(1, "a"), part(2, "b"), part(3, "c")
    await store.put_blocks([first, second, third])
    await store.close()
    served = PostgresStore(database)
    await served.open()
    assert await served.expired(None, 1) == []
    await served.close()


async def test_a_gone_publisher_is_nobody_in_psql_either(
    store: PostgresCopy, admin: asyncpg.Connection
) -> None:
    await store.put_blocks([part(1, "a")])
    row = await admin.fetchrow("SELECT topic, seq, publisher, message FROM messages")
    assert tuple(row or ()) == ("ORDERS", 1, None, '"a"')


async def _begin_producer(store: PostgresStore, account_id: int) -> object:
    return await store.begin_producer(account_id, "p")


@pytest.mark.parametrize("begin", [PostgresStore.begin_session, _begin_producer])
async def test_a_database_in_which_a_session_has_begun_has_been_used(
    store: PostgresCopy, database: str, begin: Callable[[PostgresStore, int], Awaitable[object]]
) -> None:
    assert not await store.has_been_used()
    await store.close()
    served = PostgresStore(database)
    await served.open()
    shop = await served.find_account("shop@b.c")
    assert shop is not None
    await begin(served, shop.id)
    await served.close()
    again = copyable(database)
    await again.open(there=True)
    assert await again.has_been_used()
    await again.close()


async def test_one_database_is_known_by_its_locks_whatever_it_is_called(
    store: PostgresCopy, database: str, server: Address
) -> None:
    by_another_name = database.replace(quote(server.host), quote(server.host + "/"))
    assert by_another_name != database
    assert await store.is_same(copyable(by_another_name))
    elsewhere = f"postgresql://{server.user}@/postgres?host={quote(server.host)}"
    assert not await store.is_same(copyable(f"{elsewhere}&port={server.port}"))
    assert not await store.is_same(copyable("postgresql://127.0.0.1:1/x"))


async def test_a_source_that_holds_nothing_of_a_broker_is_refused_and_left_empty(
    empty_database: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnusable, match="holds nothing of a broker"):
        await copyable(empty_database).open(there=True)
    connection = await asyncpg.connect(empty_database)
    assert await connection.fetchval("SELECT to_regclass('accounts')") is None
    await connection.close()
    with pytest.raises(StoreUnusable, match="is no data directory of a broker"):
        await copyable(str(tmp_path / "nothing")).open(there=True)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("place", "told"), [("mysql://x", "not a URL that begins with mysql://"), ("", "not nothing")]
)
def test_a_place_that_is_no_store_is_refused(place: str, told: str) -> None:
    with pytest.raises(UnknownPlace, match=told):
        copyable(place)
