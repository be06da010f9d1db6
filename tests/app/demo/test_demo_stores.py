"""Where the demonstration's broker keeps its state: filled each time, and gone afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from app.commands.faults import WrongUsage
from app.demo import jetstream as places
from app.demo.choice import stores_at
from app.demo.jetstream import GivenJetStream
from app.demo.postgres import GivenPostgres
from app.demo.steps import STEPS, steps_on
from broker.store.embedded import Address
from broker.store.errors import StoreLost, StoreUnusable
from broker.store.interface import Store
from broker.store.jetstream import JetStreamStore
from broker.store.postgres import PostgresStore
from protocol.names import Role
from tests.app.demo.conftest import at
from tests.nats import NatsServer, nats_server, needs_nats


async def topics_of(store: Store) -> list[str]:
    await store.open()
    try:
        return [one.name for one in await store.topics()]
    finally:
        await store.close()


@pytest.fixture
async def operators(jetstream: str) -> AsyncIterator[str]:
    """The URL of an operator's installation with a topic in it."""
    store = JetStreamStore(jetstream)
    await store.open()
    account = await store.create_account("bob@example.com", Role.PUBLISHER)
    assert account is not None
    await store.create_topic("MINE", account.id)
    await store.close()
    yield jetstream
    assert await topics_of(JetStreamStore(jetstream)) == ["MINE"]


async def test_each_place_in_nats_has_the_sample_data_and_nothing_is_left_of_it(
    operators: str, nats: NatsServer
) -> None:
    before = await nats.streams()
    stores = GivenJetStream(operators)
    await stores.start()
    first = await stores.fresh()
    assert await topics_of(JetStreamStore(first)) == ["ORDERS", "WEATHER", "NEWS"]
    await stores.drop()
    assert await nats.streams() == before
    second = await stores.fresh()
    assert second != first
    assert await topics_of(JetStreamStore(second)) == ["ORDERS", "WEATHER", "NEWS"]
    await stores.stop()
    await stores.stop()
    assert await nats.streams() == before


async def test_two_demonstrations_in_one_cluster_do_not_meet(jetstream: str) -> None:
    one, other = GivenJetStream(jetstream), GivenJetStream(jetstream)
    assert one.prefix != other.prefix
    long = GivenJetStream(f"nats://h?prefix={'p' * 32}&replicas=1")
    assert len(f"{long.prefix}-9999") <= 32


async def test_a_cancel_in_the_middle_leaves_nothing_in_nats(
    operators: str, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = asyncio.Event()

    async def fill(store: Store) -> None:
        account = await store.create_account("bob@example.com", Role.PUBLISHER)
        assert account is not None
        await store.create_topic("HALF", account.id)
        filling.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(places, "fill", fill)
    before = await nats.streams()
    stores = GivenJetStream(operators)
    await stores.start()
    task = asyncio.create_task(stores.fresh())
    async with asyncio.timeout(10):
        await filling.wait()
    assert len(await nats.streams() - before) == 6
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await stores.stop()
    assert await nats.streams() == before


async def test_a_failure_in_the_middle_is_told_and_leaves_nothing_in_nats(
    operators: str, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fill(store: Store) -> None:
        raise StoreLost("no answer in time")

    monkeypatch.setattr(places, "fill", fill)
    before = await nats.streams()
    stores = GivenJetStream(operators)
    await stores.start()
    with pytest.raises(StoreUnusable, match=r"NATS at .* cannot be used: no answer in time"):
        await stores.fresh()
    await stores.stop()
    assert await nats.streams() == before


@needs_nats
async def test_what_cannot_be_removed_is_named_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "WAIT_S", 0.1)
    async with nats_server(tmp_path) as server:
        stores = GivenJetStream(server.url)
        await stores.start()
        await stores.fresh()
        await server.kill()
        with pytest.raises(StoreUnusable, match=f"begin with {stores.prefix} or KV_"):
            await stores.stop()
        with pytest.raises(StoreUnusable, match="cannot be reached"):
            await stores.stop()
        await server.start()
        assert await server.streams() != set()
        await stores.stop()
        assert await server.streams() == set()


@needs_nats
async def test_nats_without_jetstream_is_told_before_anything_is_made(tmp_path: Path) -> None:
    async with nats_server(tmp_path, jetstream=False) as server:
        stores = GivenJetStream(server.url)
        with pytest.raises(StoreUnusable, match="JetStream is off in the NATS server"):
            await stores.start()
        await stores.stop()


async def databases(server: Address) -> list[str]:
    connection = await asyncpg.connect(at(server))
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname ~ 'demo'")
        return [row["datname"] for row in rows]
    finally:
        await connection.close()


async def test_a_database_on_a_given_postgresql_has_the_sample_data_and_is_dropped(
    server: Address,
) -> None:
    assert await databases(server) == []
    stores = GivenPostgres(at(server))
    await stores.start()
    url = await stores.fresh()
    assert await topics_of(PostgresStore(url)) == ["ORDERS", "WEATHER", "NEWS"]
    assert len(await databases(server)) == 1
    await stores.stop()
    assert await databases(server) == []


async def test_a_user_who_may_not_make_a_database_is_told_so(server: Address) -> None:
    connection = await asyncpg.connect(at(server))
    await connection.execute("CREATE ROLE demo_nobody LOGIN")
    try:
        stores = GivenPostgres(at(server).replace(f"//{server.user}@", "//demo_nobody@"))
        await stores.start()
        with pytest.raises(StoreUnusable, match=r"permission denied.*ALTER ROLE \.\.\. CREATEDB"):
            await stores.fresh()
        await stores.stop()
    finally:
        await connection.execute("DROP ROLE demo_nobody")
        await connection.close()


@pytest.mark.parametrize(
    "url",
    ["", "mysql://h/x", "nats:/x", "nats://,", "nats://h?prefix=a.b", "nats://h/p", "\x1b[2J"],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(WrongUsage, match="--store") as refused:
        stores_at(url)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["postgresql://a:b/c@h/x", "postgresql://127.0.0.1:1/x#y", "postgresql://h:port/x"]
)
async def test_a_url_that_postgresql_cannot_read_is_refused_in_a_sentence(url: str) -> None:
    stores = GivenPostgres(url)
    with pytest.raises(StoreUnusable, match="cannot be used"):
        await stores.start()
    await stores.stop()


def test_on_nats_no_step_speaks_of_a_disk() -> None:
    steps = steps_on(GivenJetStream("nats://h").words.kept)
    assert len(steps) == len(STEPS)
    for step in steps:
        assert "disk" not in f"{step.title} {step.narration} {step.expected}"
    assert sum("in JetStream" in step.narration for step in steps) == 3
