"""Topics and accounts that are deleted, while others go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from broker import Auth, Broker, Settings
from broker.store.interface import StoredBlock
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire, until

SUCCESS = {"action": "success", "code": 0}


class Bench:
    """A broker on a store in memory, where the shop has made the topic T."""

    def __init__(self, store: MemoryStore, broker: Broker) -> None:
        self.store, self.broker = store, broker
        self.opened: list[Wire] = []

    async def open(self) -> Wire:
        self.opened.append(await Wire.open(self.broker.port))
        return self.opened[-1]

    async def signed_in(self, email: str, role: str = "publisher", **keys: Any) -> Wire:
        wire = await self.open()
        there = await self.store.find_account(email) is not None
        asked = {"user_email": email, "version": 2} | keys
        if there:
            reply = await wire.ask("connect", **asked)
        else:
            reply = await wire.ask("create", user_type=role, **asked)
        assert reply["action"] == "success", reply
        return wire

    async def subscriber(self, email: str = "ann@b.c", version: int = 2) -> Wire:
        """Return a subscriber of T."""
        wire = await self.signed_in(email, "subscriber", version=version)
        assert await wire.ask("subscribe", topic_name="T") == SUCCESS
        return wire


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Bench]:
    store = MemoryStore()
    kept = Settings(store_url="memory", port=0, stop_wait_s=0.05, **settings)
    async with Broker(kept, store) as broker:
        bench = Bench(store, broker)
        shop = await bench.signed_in("shop@b.c")
        assert await shop.ask("create_topic", topic_name="T") == SUCCESS
        yield bench
        for wire in bench.opened:
            await wire.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with running() as one:
        yield one


async def publish(wire: Wire, *messages: str, topic: str = "T") -> None:
    for message in messages:
        reply = await wire.ask("publish_msg", topic_name=topic, msg=message)
        assert reply["action"] == "success", reply


# topics


async def test_a_deleted_topic_is_gone_for_everybody(bench: Bench) -> None:
    shop, ann = await bench.signed_in("shop@b.c"), await bench.subscriber()
    await publish(shop, "a")
    assert (await ann.read())["messages"] == ["a"]
    assert await shop.ask("delete_topic", topic_name="T", id=1) == SUCCESS | {"id": 1}
    assert await ann.read() == {"action": "topic_deleted", "topic_name": "T"}
    for wire in (shop, ann):
        assert (await wire.ask("list_topics"))["topics"] == []
        refused = await wire.ask("history", topic_name="T", after=0)
        assert refused["reason"] == "topic_not_found"
    assert (await ann.ask("ack", topic_name="T", seq=1))["reason"] == "topic_not_found"
    assert (await ann.ask("subscriptions"))["subscriptions"] == []
    refused = await shop.ask("publish_msg", topic_name="T", msg="b")
    assert refused["reason"] == "topic_not_found"
    refused = await shop.ask("delete_topic", topic_name="T")
    assert refused["reason"] == "topic_not_found"
    assert await bench.store.topics() == []


async def test_only_who_made_a_topic_may_delete_it(bench: Bench) -> None:
    other, ann = await bench.signed_in("other@b.c"), await bench.subscriber()
    refused = await other.ask("delete_topic", topic_name="T")
    assert refused["reason"] == "not_yours"
    assert (await ann.ask("delete_topic", topic_name="T"))["reason"] == "wrong_role"
    await publish(other, "a")
    assert (await ann.read())["messages"] == ["a"]


async def test_in_version_1_nothing_is_said_of_a_deleted_topic(bench: Bench) -> None:
    shop, ann = await bench.signed_in("shop@b.c"), await bench.subscriber(version=1)
    await shop.ask("delete_topic", topic_name="T")
    assert await ann.ask("list_topics") == {"action": "list_topics", "topics": []}


async def test_a_new_topic_of_that_name_begins_anew(bench: Bench) -> None:
    shop = await bench.signed_in("shop@b.c")
    await publish(shop, "old", "older")
    shop.send("delete_topic", topic_name="T")
    shop.send("create_topic", topic_name="T")
    assert await shop.read_many(2) == [SUCCESS, SUCCESS]
    reply = await shop.ask("publish_msg", topic_name="T", msg="new")
    assert reply["seq"] == 1
    ann = await bench.signed_in("ann@b.c", "subscriber")
    await ann.ask("subscribe", topic_name="T", from_="all")
    assert (await ann.read())["messages"] == ["new"]


async def test_what_was_in_flight_when_a_topic_was_deleted_is_not_in_its_namesake(
    bench: Bench,
) -> None:
    shop, other = await bench.signed_in("shop@b.c"), await bench.signed_in("other@b.c")
    bench.store.hold()
    other.send("publish_msg", topic_name="T", msg="in flight")
    await bench.store.held.wait()
    shop.send("delete_topic", topic_name="T")
    await until(lambda: bench.broker._hub.topics.get("T") is None)
    bench.store.release()
    assert (await other.read())["seq"] == 1
    assert await shop.read() == SUCCESS
    assert await shop.ask("create_topic", topic_name="T") == SUCCESS
    await publish(shop, "new")
    page = await shop.ask("history", topic_name="T", after=0)
    assert [one["messages"] for one in page["blocks"]] == [["new"]]


async def test_what_was_accepted_before_is_answered_first(bench: Bench) -> None:
    shop, other = await bench.signed_in("shop@b.c"), await bench.signed_in("other@b.c")
    bench.store.hold()
    other.send("publish_msg", topic_name="T", msg="in flight")
    await bench.store.held.wait()
    other.send("publish_msg", topic_name="T", msg="right behind")
    await until(lambda: len(bench.broker._hub.log._unfinished) == 2)
    shop.send("delete_topic", topic_name="T")
    await until(lambda: bench.broker._hub.topics.get("T") is None)
    other.send("publish_msg", topic_name="T", msg="too late")
    bench.store.release()
    replies = await other.read_many(3)
    assert [reply.get("seq") for reply in replies] == [1, 2, None]
    assert replies[2]["reason"] == "topic_not_found"
    assert await shop.read() == SUCCESS
    assert await bench.store.topics() == []


async def test_publishing_to_other_topics_goes_on_and_nothing_is_refused(bench: Bench) -> None:
    shop, other = await bench.signed_in("shop@b.c"), await bench.signed_in("other@b.c")
    await other.ask("create_topic", topic_name="U")
    await publish(shop, *map(str, range(50)))
    for number in range(500):
        other.send("publish_msg", topic_name="U", msg=str(number))
        if number == 250:
            shop.send("delete_topic", topic_name="T")
    replies = await other.read_many(500)
    assert [reply.get("seq") for reply in replies] == [*range(1, 501)]
    assert await shop.read() == SUCCESS


async def test_a_subscription_that_was_being_made_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, ann = await bench.signed_in("shop@b.c"), await bench.signed_in("ann@b.c", "subscriber")
    going_on = asyncio.Event()
    asked = asyncio.Event()

    async def subscribe(account_id: int, topic_id: int, cursor: int, epoch: int) -> None:
        asked.set()
        await going_on.wait()

    monkeypatch.setattr(bench.store, "subscribe", subscribe)
    ann.send("subscribe", topic_name="T")
    await asked.wait()
    assert await shop.ask("delete_topic", topic_name="T") == SUCCESS
    going_on.set()
    assert (await ann.read())["reason"] == "topic_not_found"


async def test_a_list_that_was_being_read_does_not_bring_a_topic_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, other = await bench.signed_in("shop@b.c"), await bench.signed_in("other@b.c")
    going_on, asked = asyncio.Event(), asyncio.Event()
    summaries = await bench.store.summaries()

    async def read_slowly() -> object:
        asked.set()
        await going_on.wait()
        return summaries

    monkeypatch.setattr(bench.store, "summaries", read_slowly)
    other.send("list_topics")
    await asked.wait()
    assert await shop.ask("delete_topic", topic_name="T") == SUCCESS
    going_on.set()
    assert (await other.read())["topics"] == []
    assert bench.broker._hub.topics.get("T") is None


async def test_blocks_that_were_being_read_do_not_come_into_a_new_topics_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(cache_bytes=0) as bench:
        shop = await bench.signed_in("shop@b.c")
        await publish(shop, "old")
        going_on, asked = asyncio.Event(), asyncio.Event()

        async def read_slowly(
            topic_id: int, seq: int, limit_bytes: int, head: int = 0
        ) -> list[StoredBlock]:
            blocks = await MemoryStore.read(bench.store, topic_id, seq, limit_bytes)
            asked.set()
            await going_on.wait()
            return blocks

        bench.broker._hub.cache.limit_bytes = 2**20
        monkeypatch.setattr(bench.store, "read", read_slowly)
        ann = await bench.signed_in("ann@b.c", "subscriber")
        await ann.ask("subscribe", topic_name="T", from_="all")
        await asked.wait()
        shop.send("delete_topic", topic_name="T")
        shop.send("create_topic", topic_name="T")
        assert await shop.read_many(2) == [SUCCESS, SUCCESS]
        assert (await ann.read())["action"] == "topic_deleted"
        going_on.set()
        await ann.ask("ping")
        assert bench.broker._hub.cache.find("T", 1) is None


async def test_a_store_that_is_away_is_told_and_asked_until_it_has_done_it() -> None:
    async with running(store_wait_s=0.05) as bench:
        shop = await bench.signed_in("shop@b.c")
        await publish(shop, "a")
        bench.store.lose()
        refused = await shop.ask("delete_topic", topic_name="T")
        assert refused["reason"] == "store_unavailable"
        assert "the topic 'T' will be gone when it answers" in refused["message"]
        refused = await shop.ask("publish_msg", topic_name="T", msg="b")
        assert refused["reason"] == "topic_not_found"
        refused = await shop.ask("create_topic", topic_name="T")
        assert refused["reason"] == "store_unavailable"
        bench.store.restore()
        assert await shop.ask("create_topic", topic_name="T") == SUCCESS
        assert (await shop.ask("publish_msg", topic_name="T", msg="c"))["seq"] == 1
        assert len(await bench.store.topics()) == 1


async def test_who_waits_for_nothing_but_its_messages_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(cache_bytes=0) as bench:
        shop = await bench.signed_in("shop@b.c")
        ann = await bench.subscriber()
        await ann.read_until_closed()
        await publish(shop, "a")
        asked = asyncio.Event()

        async def never(*_: int) -> list[StoredBlock]:
            asked.set()
            await asyncio.Event().wait()
            return []

        monkeypatch.setattr(bench.store, "read", never)
        back = await bench.open()
        back.send("connect", user_email="ann@b.c", version=2)
        back.writer.write_eof()
        await asked.wait()
        assert await shop.ask("delete_topic", topic_name="T") == SUCCESS
        signed_in, told = await back.read_until_closed()
        assert signed_in["subscriptions"][0]["unread"] == 1
        assert told["action"] == "topic_deleted"


async def test_a_removal_that_cannot_end_does_not_keep_the_broker_from_stopping() -> None:
    before = asyncio.all_tasks()
    async with running(store_wait_s=0.05) as bench:
        shop = await bench.signed_in("shop@b.c")
        bench.store.lose()
        refused = await shop.ask("delete_topic", topic_name="T")
        assert refused["reason"] == "store_unavailable"
    assert asyncio.all_tasks() == before
    bench.store.restore()
    assert [one.name for one in await bench.store.topics()] == ["T"]  # to be deleted again


# accounts


async def test_a_deleted_account_is_as_if_it_had_never_been(bench: Bench) -> None:
    ann = await bench.subscriber()
    reply = await ann.ask("delete_account", user_email="Ann@B.c", id=7)
    assert reply == SUCCESS | {"id": 7}
    assert (await ann.ask("list_topics"))["reason"] == "not_signed_in"
    refused = await ann.ask("connect", user_email="ann@b.c", version=2)
    assert refused["reason"] == "account_not_found"
    created = await ann.ask("create", user_email="ann@b.c", user_type="publisher", version=2)
    assert created["action"] == "success"
    assert created["subscriptions"] == []
    shop = await bench.signed_in("shop@b.c")
    (topic,) = (await shop.ask("list_topics"))["details"]
    assert topic["subscribers"] == 0


async def test_another_account_than_the_own_is_not_deleted(bench: Bench) -> None:
    ann = await bench.subscriber()
    for email in ("shop@b.c", "", "ann"):
        assert (await ann.ask("delete_account", user_email=email))["reason"] == "not_yours"
    assert (await ann.ask("subscriptions"))["subscriptions"] != []


async def test_the_accounts_other_sessions_end_with_a_reason(bench: Bench) -> None:
    first, second = await bench.signed_in("shop@b.c"), await bench.signed_in("shop@b.c")
    assert await first.ask("delete_account", user_email="shop@b.c") == SUCCESS
    (ended,) = await second.read_until_closed()
    assert ended["reason"] == "account_deleted"


async def test_what_it_published_stays_and_is_nobodys(bench: Bench) -> None:
    shop, ann = await bench.signed_in("shop@b.c"), await bench.subscriber()
    other = await bench.signed_in("other@b.c")
    await publish(shop, "a")
    await publish(other, "b")
    assert (await ann.read())["publishers"] == ["shop@b.c"]
    await shop.ask("delete_account", user_email="shop@b.c")
    page = await other.ask("history", topic_name="T", after=0)
    assert [block["publishers"] for block in page["blocks"]] == [[""], ["other@b.c"]]
    again = await bench.signed_in("shop@b.c")
    refused = await again.ask("delete_topic", topic_name="T")
    assert refused["reason"] == "not_yours"


async def test_what_it_had_sent_is_stored_before_it_goes(bench: Bench) -> None:
    till = await bench.signed_in("shop@b.c", producer="till")
    other = await bench.signed_in("shop@b.c")
    bench.store.hold()
    till.send("publish_msg", topic_name="T", msg="a", id=1)
    await bench.store.held.wait()
    other.send("delete_account", user_email="shop@b.c")
    assert (await till.read())["reason"] == "account_deleted"
    assert await bench.store.find_account("shop@b.c") is not None
    bench.store.release()
    assert await other.read() == SUCCESS
    (topic,) = await bench.store.topics()
    assert topic.head == 1


@pytest.mark.parametrize("auth", Auth)
async def test_nobody_signs_in_to_an_account_that_is_being_deleted(auth: Auth) -> None:
    async with running(store_wait_s=0.05) as bench:
        bench.broker._hub.gate._auth = auth
        keys = {"password": "correct horse"}
        ann = await bench.signed_in("ann@b.c", "subscriber", **keys)
        delete = bench.store.delete_account

        async def never(account_id: int) -> None:
            await asyncio.Event().wait()

        bench.store.delete_account = never  # type: ignore[method-assign]  # held up
        refused = await ann.ask("delete_account", user_email="ann@b.c")
        assert refused["reason"] == "store_unavailable"
        reason = (await ann.ask("connect", user_email="ann@b.c", version=2, **keys))["reason"]
        assert reason == ("wrong_password" if auth is Auth.PASSWORD else "account_not_found")
        bench.store.delete_account = delete  # type: ignore[method-assign]


async def test_a_sign_in_that_was_under_way_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await bench.subscriber()).read_until_closed()
    ann, again = await bench.signed_in("ann@b.c", deliver=False), await bench.open()
    going_on, asked = asyncio.Event(), asyncio.Event()

    async def slowly(account_id: int) -> object:
        asked.set()
        await going_on.wait()
        return []

    monkeypatch.setattr(bench.store, "subscriptions", slowly)
    again.send("connect", user_email="ann@b.c", version=2)
    await asked.wait()
    assert await ann.ask("delete_account", user_email="ann@b.c") == SUCCESS
    going_on.set()
    assert (await again.read())["reason"] == "account_not_found"
    assert bench.broker.snapshot().subscribers == 0
