"""Several brokers on one store: one order for all, sessions that move, news that get lost."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from broker import Broker, Settings, neighbours
from broker.neighbours import Here, Neighbours, TopicsChanged
from broker.store.errors import StoreLost
from broker.store.interface import Credentials, Store, StoredBlock
from tests.wire import Wire, until

SUCCESS = {"action": "success", "code": 0}
TOPIC_DELETED = {"action": "topic_deleted", "topic_name": "T"}


@dataclass
class Pair:
    """Two brokers on one store that have heard of each other, and clients of theirs."""

    one: Broker
    other: Broker
    opened: list[Wire] = field(default_factory=list)

    async def open(self, broker: Broker) -> Wire:
        self.opened.append(await Wire.open(broker.port))
        return self.opened[-1]

    async def create(self, broker: Broker, email: str, role: str, **keys: Any) -> Wire:
        wire = await self.open(broker)
        keys = {"version": 2} | keys
        reply = await wire.ask("create", user_email=email, user_type=role, **keys)
        assert reply["action"] == "success", reply
        return wire

    async def sign_in(self, broker: Broker, email: str, **keys: Any) -> Wire:
        wire = await self.open(broker)
        reply = await wire.ask("connect", **{"user_email": email, "version": 2} | keys)
        assert reply["action"] == "success", reply
        return wire

    async def shop(self, broker: Broker, email: str = "shop@b.c", **keys: Any) -> Wire:
        return await self.create(broker, email, "publisher", **keys)

    async def ann(self, broker: Broker, topic: str = "T", **keys: Any) -> Wire:
        wire = await self.create(broker, "ann@b.c", "subscriber", **keys)
        assert (await wire.ask("subscribe", topic_name=topic))["action"] == "success"
        return wire


def deafen(broker: Broker) -> None:
    """Let `broker` hear nothing of what others tell; it still looks."""
    store: Any = broker._store
    store.listen(lambda news: None)


@pytest.fixture
async def pair(database: str) -> AsyncIterator[Pair]:
    def settings() -> Settings:
        return Settings(store_url=database, port=0, stop_wait_s=0.05)

    async with Broker(settings()) as one, Broker(settings()) as other:
        await until(lambda: others(one) == others(other) == 1)
        both = Pair(one, other)
        yield both
        for wire in both.opened:
            await wire.close()


def others(broker: Broker) -> int:
    return broker._hub.neighbours.others


async def messages(wire: Wire, count: int) -> list[str]:
    """Return the next `count` messages that are delivered, whatever blocks they come in."""
    found: list[str] = []
    while len(found) < count:
        line = await wire.read()
        assert line["action"] in ("broadcast", "unread"), line
        found += line["messages"]
    return found


async def test_all_brokers_deliver_what_is_published_at_any_in_one_order(pair: Pair) -> None:
    shops = [await pair.shop(pair.one, "a@b.c"), await pair.shop(pair.other, "b@b.c")]
    assert (await shops[0].ask("create_topic", topic_name="T"))["action"] == "success"
    readers = []
    for number, broker in enumerate([pair.one, pair.other, pair.one, pair.other]):
        reader = await pair.create(broker, f"reader{number}@b.c", "subscriber")
        assert (await reader.ask("subscribe", topic_name="T"))["action"] == "success"
        readers.append(reader)
    for number in range(200):
        for name, shop in zip("ab", shops, strict=True):
            shop.send("publish_msg", topic_name="T", msg=f"{name}{number}")
        if number % 20 == 0:
            await asyncio.sleep(0)
    seen = [await messages(reader, 400) for reader in readers]
    assert all(one == seen[0] for one in seen)
    for name in "ab":
        own = [text for text in seen[0] if text[0] == name]
        assert own == [f"{name}{number}" for number in range(200)]


async def test_a_topic_made_at_one_broker_is_there_at_the_other_at_once(pair: Pair) -> None:
    deafen(pair.other)  # so that it is asked for, and not waited for
    shop, shop_too = await pair.shop(pair.one), await pair.shop(pair.other, "too@b.c", version=1)
    ann = await pair.create(pair.other, "ann@b.c", "subscriber")
    for number, topic in enumerate("TUV"):
        assert (await shop.ask("create_topic", topic_name=topic))["action"] == "success"
        if number:
            assert await shop_too.ask("publish_msg", topic_name=topic, msg="x") == SUCCESS
        else:
            assert (await ann.ask("subscribe", topic_name=topic))["action"] == "success"
    again = await shop_too.ask("create_topic", topic_name="V")
    assert "there is a topic 'V' already" in again["message"]
    nowhere = await shop_too.ask("publish_msg", topic_name="W", msg="x")
    assert "there is no topic 'W'" in nowhere["message"]


async def test_a_session_is_taken_over_at_another_broker(pair: Pair) -> None:
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    first = await pair.ann(pair.one)
    await shop.ask("publish_many", topic_name="T", msgs=["a", "b"])
    assert await messages(first, 2) == ["a", "b"]
    await first.ask("ack", topic_name="T", seq=1)
    await pair.one._hub.saver.save()
    second = await pair.sign_in(pair.other, "ann@b.c")
    assert (await first.read())["reason"] == "taken_over"
    assert await first.read_line() == b""
    assert await messages(second, 1) == ["b"]
    await shop.ask("publish_msg", topic_name="T", msg="c")
    assert await messages(second, 1) == ["c"]


async def test_a_session_that_does_not_hear_that_it_is_taken_over_moves_no_cursor(
    pair: Pair,
) -> None:
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    first = await pair.ann(pair.one)
    await shop.ask("publish_many", topic_name="T", msgs=["a", "b"])
    assert await messages(first, 2) == ["a", "b"]
    deafen(pair.one)
    second = await pair.sign_in(pair.other, "ann@b.c")
    assert await messages(second, 2) == ["a", "b"]
    assert (await first.ask("ack", topic_name="T", seq=2))["action"] == "success"
    assert (await first.read())["reason"] == "taken_over"  # when the cursor was to be saved
    third = await pair.sign_in(pair.other, "ann@b.c")
    assert await messages(third, 2) == ["a", "b"]
    late = await pair.sign_in(pair.one, "ann@b.c")
    assert await messages(late, 2) == ["a", "b"]


@pytest.mark.parametrize("action", ["subscribe", "unsubscribe"])
async def test_a_session_that_was_taken_over_changes_no_subscription(
    pair: Pair, action: str
) -> None:
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    await shop.ask("publish_many", topic_name="T", msgs=["a", "b"])
    first = await pair.ann(pair.one)
    deafen(pair.one)
    second = await pair.sign_in(pair.other, "ann@b.c")
    keys = {"from": "all"} if action == "subscribe" else {}
    refused = await first.ask(action, topic_name="T", **keys)
    assert refused["reason"] == "taken_over"
    states = await second.ask("subscriptions")
    assert [(one["topic_name"], one["unread"]) for one in states["subscriptions"]] == [("T", 0)]


async def test_a_producer_is_taken_over_at_another_broker_and_nothing_is_stored_twice(
    pair: Pair,
) -> None:
    owner = await pair.shop(pair.one)
    await owner.ask("create_topic", topic_name="T")
    deafen(pair.one)
    first = await pair.sign_in(pair.one, "shop@b.c", producer="till")
    beside = await pair.sign_in(pair.one, "shop@b.c")
    await first.ask("publish_msg", topic_name="T", msg="1", id=1)
    second = await pair.sign_in(pair.other, "shop@b.c", producer="till")
    await second.ask("publish_msg", topic_name="T", msg="2", id=2)
    first.send("publish_msg", topic_name="T", msg="2", id=2)
    beside.send("publish_msg", topic_name="T", msg="beside")
    assert (await first.read())["reason"] == "taken_over"
    assert (await beside.read())["action"] == "success"
    again = await second.ask("publish_msg", topic_name="T", msg="2", id=2)
    assert again.get("duplicate") is True
    page = await owner.ask("history", topic_name="T", after=0, limit=10)
    stored = [text for one in page["blocks"] for text in one["messages"]]
    assert stored == ["1", "2", "beside"]


@pytest.mark.parametrize("role", ["publisher", "subscriber"])
async def test_a_sign_in_that_was_given_up_takes_over_from_nobody(
    pair: Pair, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store was away at one broker, and the client has gone to the other meanwhile."""
    keys = {"producer": "till"} if role == "publisher" else {}
    await (await pair.create(pair.one, "who@b.c", role)).close()
    store, going_on, asked = pair.one._store, asyncio.Event(), asyncio.Event()
    credentials = store.credentials

    async def slowly(email: str) -> Credentials | None:
        asked.set()
        await going_on.wait()
        return await credentials(email)

    monkeypatch.setattr(store, "credentials", slowly)
    given_up = await pair.open(pair.one)
    given_up.send("connect", user_email="who@b.c", version=2, **keys)
    await asked.wait()
    # As a client does that gives up; one that only ends its sending side still wants an answer.
    linger = struct.pack("ii", 1, 0)
    given_up.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    given_up.writer.transport.abort()
    await until(lambda: not pair.one._connections)
    elsewhere = await pair.sign_in(pair.other, "who@b.c", **keys)
    going_on.set()
    await until(lambda: not pair.one._hub._tasks)
    assert (await elsewhere.ask("ping"))["action"] == "success"
    later = await pair.sign_in(pair.one, "who@b.c", **keys)
    assert (await elsewhere.read())["reason"] == "taken_over"
    assert (await later.ask("ping"))["action"] == "success"


async def test_a_topic_deleted_at_one_broker_is_gone_at_the_other(pair: Pair) -> None:
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    ann = await pair.ann(pair.other)
    too = await pair.shop(pair.other, "too@b.c")
    await shop.ask("publish_msg", topic_name="T", msg="old")
    assert await messages(ann, 1) == ["old"]
    assert (await shop.ask("delete_topic", topic_name="T"))["action"] == "success"
    assert (await ann.read())["action"] == "topic_deleted"
    assert (await too.ask("publish_msg", topic_name="T", msg="x"))["reason"] == "topic_not_found"
    assert (await shop.ask("create_topic", topic_name="T"))["action"] == "success"
    assert (await ann.ask("subscribe", topic_name="T", from_="all"))["action"] == "success"
    assert (await too.ask("publish_msg", topic_name="T", msg="new"))["seq"] == 1
    assert await messages(ann, 1) == ["new"]


async def test_publishing_to_a_topic_that_was_deleted_unheard_is_refused_alone(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "LOOK_S", 3_600.0)
    shop = await pair.shop(pair.one)
    for topic in "TU":
        await shop.ask("create_topic", topic_name=topic)
    too = await pair.shop(pair.other, "too@b.c", version=1)
    three = await pair.shop(pair.other, "three@b.c")
    assert await too.ask("publish_msg", topic_name="T", msg="x") == SUCCESS
    deafen(pair.other)
    async with pair.other._hub.neighbours._looking:  # nor does a look find it that had begun
        assert (await shop.ask("delete_topic", topic_name="T"))["action"] == "success"
        too.send("publish_msg", topic_name="T", msg="y")
        three.send("publish_msg", topic_name="U", msg="z")
        assert "was deleted" in (await too.read())["message"]
        assert (await three.read())["seq"] == 1
    await pair.other._hub.neighbours.look()
    assert "there is no topic" in (await too.ask("publish_msg", topic_name="T", msg="y"))["message"]


async def test_deleting_an_account_and_changing_a_password_end_sessions_everywhere(
    pair: Pair,
) -> None:
    first = await pair.shop(pair.one)
    second = await pair.sign_in(pair.other, "shop@b.c")
    assert (await first.ask("change_password", password="wonderful"))["action"] == "success"
    assert (await second.read())["reason"] == "password_changed"
    third = await pair.sign_in(pair.other, "shop@b.c", password="wonderful")
    reply = await first.ask("delete_account", user_email="shop@b.c")
    assert reply["action"] == "success"
    assert (await third.read())["reason"] == "account_deleted"
    fourth = await pair.open(pair.other)
    gone = await fourth.ask("connect", user_email="shop@b.c", password="wonderful", version=2)
    assert gone["reason"] == "account_not_found"


async def test_what_is_told_comes_without_looking(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    ann = await pair.ann(pair.other)

    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(pair.other._hub.neighbours, "look", never)
    await pair.other._hub.neighbours._looking.acquire()  # nor goes one on that had begun
    await shop.ask("publish_many", topic_name="T", msgs=["a", "b"])
    assert await messages(ann, 2) == ["a", "b"]


async def make_anew(shop: Wire) -> None:
    """Delete T, make another one and publish "new" to that."""
    for action in ("delete_topic", "create_topic"):
        assert (await shop.ask(action, topic_name="T"))["action"] == "success"
    assert (await shop.ask("publish_msg", topic_name="T", msg="new"))["seq"] == 1


async def test_a_topic_made_anew_elsewhere_is_not_taken_for_the_one_of_its_name(
    pair: Pair,
) -> None:
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    ann = await pair.ann(pair.other)
    deafen(pair.other)
    # A look of its own accord might find the old message, which is gone when it is to be read.
    async with pair.other._hub.neighbours._looking:
        await shop.ask("publish_msg", topic_name="T", msg="old")
        await make_anew(shop)
    await pair.other._hub.neighbours.look()
    assert await ann.read() == TOPIC_DELETED
    assert (await ann.ask("subscribe", topic_name="T", from_="all"))["action"] == "success"
    assert await messages(ann, 1) == ["new"]


@pytest.mark.parametrize("known", [False, True])
async def test_what_went_with_its_topic_before_it_was_read_is_gone_and_nothing_of_the_new_one(
    pair: Pair, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read ends before the broker knows of the new topic, or when that has its subscriber."""
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    ann = await pair.ann(pair.other)
    deafen(pair.other)
    store, asked, going_on = pair.other._store, asyncio.Event(), asyncio.Event()
    read = store.read

    async def slowly(topic_id: int, seq: int, limit_bytes: int, head: int) -> list[StoredBlock]:
        asked.set()
        await going_on.wait()
        return await read(topic_id, seq, limit_bytes, head)

    monkeypatch.setattr(store, "read", slowly)
    await shop.ask("publish_msg", topic_name="T", msg="old")
    await pair.other._hub.neighbours.look()
    await asked.wait()
    async with pair.other._hub.neighbours._looking:
        await make_anew(shop)
        if not known:
            going_on.set()
            gap = {"action": "gap", "topic_name": "T", "seq": 1, "last_seq": 1}
            async with asyncio.timeout(10):
                assert await ann.read() == gap
    await pair.other._hub.neighbours.look()
    assert await ann.read() == TOPIC_DELETED
    assert (await ann.ask("subscribe", topic_name="T", from_="all"))["action"] == "success"
    going_on.set()
    assert await messages(ann, 1) == ["new"]


async def test_what_nobody_has_told_is_found_by_looking(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "LOOK_S", 0.05)
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    ann = await pair.ann(pair.other)
    deafen(pair.other)
    await shop.ask("publish_many", topic_name="T", msgs=["a", "b"])
    assert await messages(ann, 2) == ["a", "b"]


async def test_a_subscriber_at_another_broker_is_told_of_what_was_taken_out(pair: Pair) -> None:
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    ann = await pair.ann(pair.other)
    await ann.close()
    await until(lambda: not pair.other._hub.sessions)
    for text in "abc":
        await shop.ask("publish_msg", topic_name="T", msg=text)
    (record,) = await pair.one._store.topics()
    assert await pair.one._store.take_out(record.id, 2) == 2
    ann = await pair.sign_in(pair.other, "ann@b.c")
    gap = await ann.read()
    assert (gap["action"], gap["seq"], gap["last_seq"]) == ("gap", 1, 2)
    assert await messages(ann, 1) == ["c"]


def told(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with what is told through `store`."""
    news: list[str] = []
    tell = store.tell

    async def noting(text: str) -> None:
        news.append(text)
        await tell(text)

    monkeypatch.setattr(store, "tell", noting)
    return news


async def test_a_broker_alone_tells_only_that_it_is_there(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Broker(Settings(store_url=database, port=0)) as broker:
        news = told(broker._store, monkeypatch)
        pair = Pair(broker, broker)
        shop = await pair.shop(broker)
        await shop.ask("create_topic", topic_name="T")
        ann = await pair.ann(broker)
        for number in range(20):
            await shop.ask("publish_msg", topic_name="T", msg=str(number))
        await messages(ann, 20)
        assert [one for one in news if '"here"' not in one] == []
        for wire in pair.opened:
            await wire.close()


async def test_what_a_commit_has_moved_is_told_in_one_piece_of_news(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await pair.shop(pair.one, version=1)
    names = [f"T{number}" for number in range(50)]
    for name in names:
        shop.send("create_topic", topic_name=name)
    for _ in names:
        await shop.read()
    news = told(pair.one._store, monkeypatch)
    before = pair.one._hub.log.commits
    for _ in range(20):
        for name in names:
            shop.send("publish_msg", topic_name=name, msg="x")
    for _ in range(20 * len(names)):
        assert await shop.read() == SUCCESS
    commits = pair.one._hub.log.commits - before
    heads = {topic.id: topic.head for topic in pair.one._hub.topics}
    await until(lambda: {one.id: one.head for one in pair.other._hub.topics} == heads)
    assert 1 <= len([one for one in news if '"heads"' in one]) <= commits


async def test_news_that_make_no_sense_are_passed_over(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ["", "{}", "\x00", '{"news":"heads","heads":[["x",1]]}', "[" * 5_000, "null"]:
        pair.one._hub.neighbours.heard(text)
    assert caplog.text.count("makes no sense") == 6
    shop = await pair.shop(pair.one)
    assert (await shop.ask("create_topic", topic_name="T"))["action"] == "success"


async def test_a_store_that_does_not_take_news_keeps_nobody(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(text: str) -> None:
        raise StoreLost("no")

    monkeypatch.setattr(neighbours, "LOOK_S", 0.05)
    monkeypatch.setattr(pair.one._store, "tell", lost)
    shop = await pair.shop(pair.one)
    await shop.ask("create_topic", topic_name="T")
    ann = await pair.ann(pair.other)
    for text in "abc":
        assert (await shop.ask("publish_msg", topic_name="T", msg=text))["action"] == "success"
    assert await messages(ann, 3) == ["a", "b", "c"]


async def test_a_broker_that_is_not_heard_of_any_more_is_forgotten(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "GREET_S", 0.01)
    monkeypatch.setattr(neighbours, "FORGET_S", 0.05)
    await pair.other.stop()
    ours: Neighbours = pair.one._hub.neighbours
    await until(lambda: ours.others == 0)


def test_news_are_told_apart_by_a_word() -> None:
    assert b'"news":"here"' in neighbours._encode(Here(broker="x"))
    assert neighbours._decode(b'{"news":"topics","broker":"x"}') == TopicsChanged(broker="x")
