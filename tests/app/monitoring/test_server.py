"""What a broker tells over HTTP, asked for as curl and Prometheus do."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from app.monitoring import monitor
from app.monitoring.stats import Stats
from broker import Broker, CannotListen, Settings, census
from broker.snapshot import Condition
from protocol.reasons import Reason
from tests.doubles.memory_store import MemoryStore
from tests.patience import until
from tests.wire import Wire


async def health(http: ClientSession) -> tuple[int, str]:
    async with http.get("/healthz") as answer:
        return answer.status, await answer.text()


async def test_a_broker_that_serves_is_healthy(http: ClientSession) -> None:
    assert await health(http) == (200, "ok\n")


async def test_low_disk_is_told_with_what_a_publisher_would_be_told(
    broker: Broker, http: ClientSession
) -> None:
    broker._hub.log.close(Reason.LOW_DISK, "the disk is full")
    assert await health(http) == (503, "disk low: the disk is full\n")
    broker._hub.log.reopen()
    assert await health(http) == (200, "ok\n")


async def test_a_store_that_goes_is_noticed_though_nobody_publishes_and_so_is_its_return() -> None:
    store = MemoryStore()
    async with (
        monitor(0) as monitored,
        Broker(Settings(store_url="memory", port=0), store) as broker,
        ClientSession(await monitored(broker)) as http,
    ):
        assert await health(http) == (200, "ok\n")
        store.lose()
        status, text = await health(http)
        assert (status, "the store does not answer" in text) == (503, True)
        store.restore()
        assert await health(http) == (200, "ok\n")


async def test_a_store_that_refuses_commits_is_told_until_it_takes_one() -> None:
    store = MemoryStore()
    async with monitor(0) as monitored, Broker(Settings(store_url="memory", port=0), store) as one:
        wire = await Wire.open(one.port)
        await wire.ask("create", user_email="p@b.c", user_type="publisher")
        await wire.ask("create_topic", topic_name="T")
        store.refuse()
        await wire.ask("publish_msg", topic_name="T", msg="x")
        async with ClientSession(await monitored(one)) as http:
            status, text = await health(http)
            assert (status, text.startswith("store refuses: ")) == (503, True)
            store.restore()
            await wire.ask("publish_msg", topic_name="T", msg="x")
            assert await health(http) == (200, "ok\n")
        await wire.close()


async def test_it_answers_while_the_broker_drains_and_not_afterwards() -> None:
    store = MemoryStore()
    broker = Broker(Settings(store_url="memory", port=0), store)
    await broker.start()
    wire = await Wire.open(broker.port)
    await wire.ask("create", user_email="p@b.c", user_type="publisher")
    await wire.ask("create_topic", topic_name="T")
    async with monitor(0) as monitored:
        address = await monitored(broker)
        async with ClientSession(address) as http:
            store.hold()
            wire.send("publish_msg", topic_name="T", msg="x")
            await store.held.wait()
            stopping = asyncio.create_task(broker.stop())
            async with asyncio.timeout(5):
                await until(lambda: broker.snapshot().condition is Condition.STOPPING)
            status, text = await health(http)
            assert (status, text.startswith("stopping: ")) == (503, True)
            store.release()
            await stopping
            async with http.get("/stats") as answer:
                assert (await answer.json())["broker"]["messages_in"] == 1
    await wire.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))


async def test_stats_are_the_snapshot_and_who_it_is_of(broker: Broker, http: ClientSession) -> None:
    wire = await Wire.open(broker.port)
    await wire.ask("create", user_email="p@b.c", user_type="publisher")
    async with http.get("/stats") as answer:
        assert answer.content_type == "application/json"
        found = msgspec.json.decode(await answer.read(), type=Stats)
    assert found.address == f"127.0.0.1:{broker.port}"
    assert (found.healthy, found.reasons) == (True, [])
    assert abs((datetime.now(UTC) - found.time).total_seconds()) < 60
    (session,) = found.broker.sessions
    assert (session.account, session.received_bytes > 0) == ("p@b.c", True)
    await wire.close()


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/stats", "/"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:3001"},
        {"Host": "[bad"},
        {"Origin": "http://evil.example"},
    ],
)
async def test_a_page_of_another_site_is_told_nothing(
    http: ClientSession, path: str, headers: dict[str, str]
) -> None:
    async with http.get(path, headers=headers) as answer:
        assert answer.status in (400, 403)
        assert "pubsub_" not in await answer.text()


@pytest.mark.parametrize(("how", "path", "status"), [("POST", "/stats", 405), ("GET", "/no", 404)])
async def test_nothing_can_be_changed_and_nothing_else_is_there(
    http: ClientSession, how: str, path: str, status: int
) -> None:
    async with http.request(how, path) as answer:
        assert answer.status == status


async def test_many_who_ask_for_health_at_once_ask_the_store_once(
    broker: Broker, http: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, going_on = 0, asyncio.Event()

    async def find_account(email: str) -> Any:
        nonlocal asked
        asked += 1
        await going_on.wait()

    monkeypatch.setattr(broker._hub.store, "find_account", find_account)
    asking = [asyncio.create_task(health(http)) for _ in range(20)]
    async with asyncio.timeout(5):
        await until(lambda: asked > 0)
    going_on.set()
    assert await asyncio.gather(*asking) == [(200, "ok\n")] * 20
    assert asked < 20


async def test_a_store_that_says_nothing_is_not_waited_for(
    broker: Broker, http: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = asyncio.Event()

    async def find_account(email: str) -> Any:
        try:
            await going_on.wait()
        except asyncio.CancelledError:  # as where the server has to be told of it
            await going_on.wait()

    monkeypatch.setattr(census, "PROBE_LIMIT_S", 0.01)
    monkeypatch.setattr(broker._hub.store, "find_account", find_account)
    for _ in range(2):
        status, text = await health(http)
        assert (status, "the store does not answer" in text) == (503, True)
    going_on.set()
    assert await health(http) == (200, "ok\n")


async def test_a_port_that_is_taken_is_told_with_the_option_that_names_it(broker: Broker) -> None:
    with pytest.raises(CannotListen, match=r"is in use by another program.* with --http"):
        async with monitor(broker.port):
            pass


async def test_without_a_port_nothing_is_served(broker: Broker) -> None:
    async with monitor(None) as monitored:
        assert await monitored(broker) == ""
