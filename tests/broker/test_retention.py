"""Retention: what goes, who is told, and what is said to be unread."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from broker import Broker, Settings
from broker.retention import Retention
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire, until

SUCCESS = {"action": "success", "code": 0}
ALL = 0.0  # kept for no time at all: whatever is there goes


class Bench:
    """A broker on a store in memory, with a topic T, and a way to let old messages go."""

    def __init__(self, store: MemoryStore, broker: Broker) -> None:
        self.store, self.broker = store, broker
        self._opened: list[Wire] = []

    async def signed_in(self, email: str, role: str, version: int = 2, **keys: Any) -> Wire:
        wire = await Wire.open(self.broker.port)
        self._opened.append(wire)
        if await self.store.find_account(email) is None:
            keys["user_type"] = role
        action = "create" if "user_type" in keys else "connect"
        reply = await wire.ask(action, user_email=email, version=version, **keys)
        assert reply["action"] == "success", reply
        return wire

    async def publish(self, *messages: str) -> None:
        """Publish each as a block of its own."""
        shop = await self.signed_in("shop@b.c", "publisher")
        await shop.ask("create_topic", topic_name="T")
        for message in messages:
            reply = await shop.ask("publish_msg", topic_name="T", msg=message)
            assert reply["action"] == "success", reply
        await shop.close()

    async def ann(self, version: int = 2) -> Wire:
        return await self.signed_in("ann@b.c", "subscriber", version)

    async def subscribe_and_leave(self) -> None:
        ann = await self.ann()
        assert (await ann.ask("subscribe", topic_name="T"))["action"] == "success"
        await ann.read_until_closed()

    async def take_out(self, for_s: float | None = ALL, size: int | None = None) -> int:
        hub = self.broker._hub
        settings = Settings(store_url="memory", retain_for_s=for_s, retain_bytes=size)
        return await Retention(settings, self.store, hub.log, hub.topics).take_out()

    async def close(self) -> None:
        for wire in self._opened:
            await wire.close()


@asynccontextmanager
async def running(store: MemoryStore | None = None, **settings: Any) -> AsyncIterator[Bench]:
    store = store or MemoryStore()
    kept = Settings(store_url="memory", port=0, stop_wait_s=0.05, **settings)
    async with Broker(kept, store) as broker:
        bench = Bench(store, broker)
        yield bench
        await bench.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with running() as one:
        yield one


async def test_who_comes_back_to_old_messages_is_told_in_their_place(bench: Bench) -> None:
    await bench.publish("a")
    await bench.subscribe_and_leave()
    await bench.publish("b", "c")
    assert await bench.take_out() == 3
    await bench.publish("d")
    ann = await bench.ann()
    assert await ann.read() == {"action": "gap", "topic_name": "T", "seq": 2, "last_seq": 3}
    assert (await ann.read())["messages"] == ["d"]


async def test_a_gap_is_told_again_until_something_after_it_is_acknowledged(bench: Bench) -> None:
    await bench.publish()
    await bench.subscribe_and_leave()
    await bench.publish("a")
    await bench.take_out()
    for _ in range(2):
        ann = await bench.ann()
        assert (await ann.read())["action"] == "gap"
    assert (await ann.ask("ack", topic_name="T", seq=1))["action"] == "success"
    assert await (await bench.ann()).ask("ping") == SUCCESS


async def test_in_version_1_nothing_is_said_of_what_is_gone(bench: Bench) -> None:
    await bench.publish()
    await bench.subscribe_and_leave()
    await bench.publish("a", "b")
    await bench.take_out()
    await bench.publish("c")
    ann = await bench.ann(version=1)
    assert await ann.read() == {"action": "unread", "message": "c"}


async def test_what_is_said_to_be_unread_is_what_comes(bench: Bench) -> None:
    await bench.publish("a")
    await bench.subscribe_and_leave()
    await bench.publish("b", "c")
    await bench.take_out()
    await bench.publish("d", "e")
    look = await bench.signed_in("ann@b.c", "subscriber", deliver=False)
    (state,) = (await look.ask("subscriptions"))["subscriptions"]
    assert state == {"topic_name": "T", "cursor": 1, "head": 5, "unread": 2}
    (own,) = (await look.ask("list_topics"))["details"]
    assert (own["head"], own["behind"], own["unread"]) == (5, 1, 2)
    shop = await bench.signed_in("shop@b.c", "publisher")
    (of_all,) = (await shop.ask("list_topics"))["details"]
    assert (of_all["behind"], of_all["unread"]) == (1, 2)
    ann = await Wire.open(bench.broker.port)
    ann.send("connect", user_email="ann@b.c", version=2)
    signed_in, *lines = await ann.read_until_closed()
    assert signed_in["subscriptions"][0]["unread"] == 2
    assert [message for line in lines[1:] for message in line["messages"]] == ["d", "e"]
    await ann.close()


async def test_from_all_begins_with_what_there_is_and_from_a_seq_tells_what_is_not(
    bench: Bench,
) -> None:
    await bench.publish("a", "b")
    await bench.take_out()
    await bench.publish("c")
    ann = await bench.ann()
    assert await ann.ask("subscribe", topic_name="T", from_="all") == SUCCESS
    assert (await ann.read())["messages"] == ["c"]
    assert await ann.ask("subscribe", topic_name="T", from_=2) == SUCCESS
    assert await ann.read() == {"action": "gap", "topic_name": "T", "seq": 2, "last_seq": 2}
    assert (await ann.read())["messages"] == ["c"]


async def test_history_answers_with_what_is_there(bench: Bench) -> None:
    await bench.publish("a", "b")
    await bench.take_out()
    await bench.publish("c", "d")
    ann = await bench.ann()

    async def history(**keys: int) -> list[tuple[int, str]]:
        page = await ann.ask("history", topic_name="T", **keys)
        return [
            (seq, text)
            for block in page["blocks"]
            for seq, text in enumerate(block["messages"], block["seq"])
        ]

    assert await history(after=0, limit=1) == [(3, "c")]
    assert await history(after=0) == [(3, "c"), (4, "d")]
    assert await history(before=4) == [(3, "c")]
    assert await history(before=3) == []


async def test_a_broker_that_starts_again_goes_on_after_what_is_gone() -> None:
    store = MemoryStore()
    async with running(store) as bench:
        await bench.publish()
        await bench.subscribe_and_leave()
        await bench.publish("a", "b")
        await bench.take_out()
    async with running(store) as bench:
        await bench.publish("c")
        lines = await (await bench.ann()).read_until_closed()
        assert [(line["action"], line["seq"]) for line in lines] == [("gap", 1), ("unread", 3)]


async def test_a_topic_keeps_so_many_bytes_and_its_newest_commit(bench: Bench) -> None:
    await bench.publish("aaaa", "bbbb", "cccc")  # 7 bytes each
    assert await bench.take_out(None, 14) == 1
    assert await bench.take_out(None, 13) == 1
    assert await bench.take_out(None, 1) == 0


async def test_the_broker_does_it_by_itself_and_says_so_once_a_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "pubsub.broker"):
        async with running(retain_for_s=0.01) as bench:
            await bench.publish("a", "b")
            topic = bench.broker._hub.topics.named("T")
            await until(lambda: topic.tail == 2)
            await until(lambda: "taken out" in caplog.text)
    told = re.findall(r"old messages taken out: (\d+); topics: 1$", caplog.text, re.MULTILINE)
    assert sum(map(int, told)) == 2


async def test_nothing_runs_where_nothing_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retention, "run", lambda self: pytest.fail("it runs"))
    async with running() as bench:
        await bench.publish("a")


async def test_a_store_that_is_away_holds_it_up_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(retain_for_s=0.01) as bench:
        await bench.publish("a")
        topic = bench.broker._hub.topics.named("T")
        await until(lambda: topic.tail == 1)
        bench.store.lose()
        await until(lambda: any("taken out later" in line for line in caplog.messages))
        bench.store.restore()
        await bench.publish("b")
        await until(lambda: topic.tail == 2)


async def test_it_waits_until_it_is_known_what_is_stored(bench: Bench) -> None:
    await bench.publish("a")
    shop = await bench.signed_in("shop@b.c", "publisher")
    bench.store.hold()
    shop.send("publish_msg", topic_name="T", msg="b")
    await bench.store.held.wait()
    taking = asyncio.ensure_future(bench.take_out())
    other = await bench.signed_in("ann@b.c", "subscriber")  # which takes many turns of the loop
    assert (await other.ask("list_topics"))["details"][0]["tail"] == 0
    assert not taking.done()
    bench.store.release()
    assert await taking == 1
    assert (await other.ask("list_topics"))["details"][0]["tail"] == 1


async def test_the_census_counts_what_is_kept(bench: Bench) -> None:
    await bench.publish("a", "b")
    await bench.take_out()
    await bench.publish("c")
    assert bench.broker.snapshot().stored == 1
