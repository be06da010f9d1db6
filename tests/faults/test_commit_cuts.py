"""The connection to PostgreSQL ends at every point of a commit: once stored, once delivered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from broker import Broker, Settings
from broker.store.postgres import PostgresStore
from tests.faults.postgres_proxy import PostgresProxy
from tests.faults.proof import work_goes_on
from tests.faults.shop import Shop, good, wires

SHARES = [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0]

Where = dict[str, float]


@pytest.fixture(
    autouse=True, params=["one of several", pytest.param("alone", marks=pytest.mark.slow)]
)
def brokers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may serve the database too, or none can: the commits are different statements."""
    if request.param == "alone":
        monkeypatch.setattr("broker.broker.PostgresStore", partial(PostgresStore, alone=True))


@asynccontextmanager
async def broker_behind(proxy: PostgresProxy, **settings: Any) -> AsyncIterator[Broker]:
    async with (
        proxy.listening() as url,
        Broker(Settings(store_url=url, port=0, stop_wait_s=0.2, **settings)) as broker,
    ):
        yield broker


@pytest.mark.parametrize("part", ["sent", "answered"])
async def test_a_commit_cut_anywhere_is_stored_once_and_answered(database: str, part: str) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy) as broker, Shop.on(broker.port) as shop:
        for number, share in enumerate(SHARES):
            mark = f"cut {number}"
            cut = proxy.cut(mark.encode(), **{part: share})
            answer = good(await shop.publish(mark))
            assert answer["seq"] == number * 2 + 1
            assert cut.reached
            good(await shop.publish(f"after {number}"))
        await shop.check()
        await work_goes_on(broker.port)


async def test_many_publishers_share_a_commit_whose_answer_is_lost(database: str) -> None:
    proxy = PostgresProxy(database)
    async with (
        broker_behind(proxy) as broker,
        Shop.on(broker.port) as shop,
        wires(broker.port, 20) as others,
    ):
        for number, other in enumerate(others):
            who = {"user_email": f"p{number}@b.c", "user_type": "publisher"}
            good(await other.ask("create", **who, version=2, producer="till"))
        cut = proxy.cut(b"message 7 of", answered=0.0)
        for turn in range(10):
            for number, other in enumerate(others):
                text = f"message {number} of {turn}"
                other.send("publish_msg", topic_name="T", msg=text, id=turn + 1)
        answers = [await other.read_many(10) for other in others]
        assert cut.reached
        placed = {
            good(answer)["seq"]: f"message {number} of {turn}"
            for number, of_one in enumerate(answers)
            for turn, answer in enumerate(of_one)
        }
        assert [*sorted(placed)] == [*range(1, 201)]
        shop.stored = [placed[seq] for seq in sorted(placed)]
        await shop.check()
        await work_goes_on(broker.port)


async def test_a_batch_in_doubt_while_the_store_stays_away_is_delivered_once(
    database: str,
) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy, store_wait_s=0.2) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        cut = proxy.cut(b"in doubt", answered=0.0)
        shop.send("in doubt")
        await cut.done.wait()
        await proxy.pull()
        refused = await shop.publisher.read()
        assert (refused["reason"], refused["id"]) == ("store_unavailable", 2)
        assert (await shop.publisher.read())["reason"] == "store_unavailable"  # why it ends
        assert await shop.publisher.read_line() == b""
        proxy.plug_in()
        shop.stored.append("in doubt")  # as it was, though nobody could know
        await shop.check()
        assert await shop.sign_in_again() == 2
        shop.publisher.send("publish_msg", topic_name="T", msg="in doubt", id=2)
        assert (await shop.publisher.read())["duplicate"] is True
        await work_goes_on(broker.port)


@pytest.mark.parametrize("where", [{"sent": 0.5}, {"sent": 1.0}, {"answered": 0.5}])
async def test_a_cable_that_falls_silent_in_a_commit_costs_an_answer_and_nothing_else(
    database: str, where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.store.postgres.log.APPEND_TIMEOUT_S", 0.3)
    proxy = PostgresProxy(database)
    async with broker_behind(proxy) as broker, Shop.on(broker.port) as shop:
        cut = proxy.cut(b"silence", silent=True, **where)
        good(await shop.publish("silence"))
        assert cut.reached
        good(await shop.publish("after it"))
        await shop.check()
        await work_goes_on(broker.port)


async def test_publishers_are_answered_in_time_though_the_store_says_nothing_at_all(
    database: str,
) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy, store_wait_s=0.2) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        proxy.freeze()
        shop.send("in doubt")
        refused = await shop.publisher.read()
        assert (refused["reason"], refused["id"]) == ("store_unavailable", 2)
        proxy.thaw()
        shop.stored.append("in doubt")
        await shop.check()
        await work_goes_on(broker.port)


# What is asked, and what its statement holds.
ASKED: dict[str, tuple[str, dict[str, str]]] = {
    "create": ("new@b.c", {"user_email": "new@b.c", "user_type": "publisher"}),
    "connect": ("s@b.c", {"user_email": "s@b.c"}),
    "create_topic": ("NEW", {"topic_name": "NEW"}),
}


@pytest.mark.parametrize("where", [{"sent": 0.5}, {"answered": 0.0}, {"answered": 0.9}])
@pytest.mark.parametrize("action", ASKED)
async def test_a_request_whose_statement_is_cut_is_answered_and_can_be_asked_again(
    database: str, action: str, where: Where
) -> None:
    proxy = PostgresProxy(database)
    async with (
        broker_behind(proxy) as broker,
        Shop.on(broker.port) as shop,
        wires(broker.port, 1) as (stranger,),
    ):
        mark, keys = ASKED[action]
        wire = shop.publisher if action == "create_topic" else stranger
        cut = proxy.cut(mark.encode(), **where)
        refused = await wire.ask(action, **keys, version=2, id=1)
        assert (refused["reason"], refused["id"]) == ("store_unavailable", 1)
        assert cut.reached
        again = await wire.ask(action, **keys, version=2, id=1)
        # Who was answered that the store is away does not know whether it was done.
        assert again.get("reason") in (None, "account_exists", "topic_exists")
        await work_goes_on(broker.port)


async def test_requests_that_meet_a_silent_store_are_all_answered(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.store.postgres.connections.QUEUE_TIMEOUT_S", 0.3)
    proxy = PostgresProxy(database)
    async with broker_behind(proxy, store_wait_s=0.3) as broker, wires(broker.port, 200) as crowd:
        good(await crowd[0].ask("create", user_email="p@b.c", user_type="publisher"))
        proxy.freeze()
        for wire in crowd:
            wire.send("connect", user_email="p@b.c", version=2, id=1)
        answers = [await wire.read() for wire in crowd]
        assert {answer["reason"] for answer in answers} == {"store_unavailable"}
        proxy.thaw()
        await work_goes_on(broker.port)


async def test_the_store_is_away_for_a_while_and_nobody_notices_but_by_waiting(
    database: str,
) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy) as broker, Shop.on(broker.port) as shop:
        for number in range(5):
            await proxy.pull()
            shop.send(f"while it is away {number}")
            await asyncio.sleep(0)  # the broker has its turn before the store is back
            proxy.plug_in()
            good(await shop.publisher.read())
            shop.stored.append(f"while it is away {number}")
        await shop.check()
        await work_goes_on(broker.port)
