"""Sessions over TCP, on a store in memory: what is asked, answered and delivered."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import create_autospec

import pytest

from broker import Broker, Settings
from broker.actions import ACTIONS
from broker.connection import Connection
from broker.hub import Hub
from broker.session import Session
from broker.store.errors import StoreLost, StoreRefused
from protocol.requests import Ping
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire, until

SUCCESS = {"action": "success", "code": 0}
SHOP, DEPOT = "shop@b.c", "depot@b.c"
ANN, BOB = "ann@b.c", "bob@b.c"
MANY = 4_000


class Bench:
    """A broker on a store in memory, and connections to it."""

    def __init__(self, store: MemoryStore, broker: Broker) -> None:
        self.store = store
        self.broker = broker
        self._opened: list[Wire] = []

    async def open(self) -> Wire:
        self._opened.append(await Wire.open(self.broker.port))
        return self._opened[-1]

    async def publisher(self, email: str = SHOP, **keys: Any) -> Wire:
        """Return a signed-in publisher, whose account is made where it is missing."""
        return await self._signed_in(email, "publisher", keys)

    async def subscriber(self, *topics: str, email: str = ANN, **keys: Any) -> Wire:
        """Return a signed-in subscriber who is subscribed to `topics`."""
        wire = await self._signed_in(email, "subscriber", keys)
        for topic in topics:
            assert (await wire.ask("subscribe", topic_name=topic))["action"] == "success"
        return wire

    async def _signed_in(self, email: str, role: str, keys: dict[str, Any]) -> Wire:
        wire = await self.open()
        if await self.store.find_account(email) is None:
            reply = await wire.ask("create", user_email=email, user_type=role, **keys)
        else:
            reply = await wire.ask("connect", user_email=email, **keys)
        assert reply["action"] == "success", reply
        return wire

    async def topic(self, name: str = "T", *messages: str) -> None:
        """Make a topic with messages in it, each in a block of its own."""
        shop = await self.publisher()
        await shop.ask("create_topic", topic_name=name)
        for message in messages:
            assert await shop.ask("publish_msg", topic_name=name, msg=message) == SUCCESS
        await self.close(shop)

    async def publish(self, *messages: str, topic: str = "T") -> None:
        shop = await self.publisher()
        for message in messages:
            assert await shop.ask("publish_msg", topic_name=topic, msg=message) == SUCCESS
        await self.close(shop)

    async def close(self, wire: Wire) -> None:
        """Close `wire` and return when the broker has let go of it too."""
        assert await wire.read_until_closed() == []
        await wire.close()

    async def close_all(self) -> None:
        for wire in self._opened:
            await wire.close()


@asynccontextmanager
async def running(store: MemoryStore | None = None, **settings: Any) -> AsyncIterator[Bench]:
    store = store or MemoryStore()
    kept = Settings(store_url="memory", port=0, **settings)
    async with Broker(kept, store) as broker:
        bench = Bench(store, broker)
        yield bench
        await bench.close_all()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with running() as one:
        yield one


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a store that is away again at once."""
    monkeypatch.setattr("broker.log._pause_s", lambda attempt: 0.0)


def messages(lines: list[dict[str, Any]]) -> Iterator[tuple[str, int, str]]:
    """Yield the action, seq and text of each message in version 2 deliveries."""
    for line in lines:
        for seq, text in enumerate(line["messages"], line["seq"]):
            yield line["action"], seq, text


async def read_messages(wire: Wire, count: int) -> list[tuple[str, int, str]]:
    """Read deliveries of version 2 until there are `count` messages."""
    found: list[tuple[str, int, str]] = []
    while len(found) < count:
        found += messages([await wire.read()])
    return found


# requests and replies


async def test_a_whole_life_fits_in_one_packet(bench: Bench) -> None:
    wire = await bench.open()
    wire.send("create", user_email=SHOP, user_type="PubLisher")
    wire.send("create_topic", topic_name="T")
    wire.send("publish_msg", topic_name="T", msg="a")
    wire.send("publish_msg", topic_name="T", msg="b")
    wire.send("list_topics")
    wire.send("create", user_email=ANN, user_type="subscriber")
    wire.send("subscribe", topic_name="T")
    wire.send("list_topics")
    assert await wire.read_until_closed() == [
        *[SUCCESS] * 4,
        {"action": "list_topics", "topics": ["T"]},
        *[SUCCESS] * 2,
        {"action": "list_topics", "topics": ["T"]},
    ]


async def test_replies_come_in_order_with_the_errors_in_between(bench: Bench) -> None:
    await bench.topic("T")
    shop = await bench.publisher(version=2)
    shop.send("publish_msg", topic_name="T", msg="a", id=1)
    shop.send("publish_msg", topic_name="nowhere", msg="b", id=2)
    shop.send("publish_msg", topic_name="T", msg="c", id="three")
    shop.send_bytes(b"garbage\n\n\r\n")
    shop.send("list_topics", id=5)
    shop.send("publish_msg", topic_name="T", msg=7, id=6)
    shop.send("create_topic", topic_name="U", id=7)
    shop.send("publish_many", topic_name="U", msgs=["d", "e"], id=8)
    shop.send("subscribe", topic_name="T", id=9)
    shop.send("publish_msg", topic_name="U", msg="f")
    replies = await shop.read_many(10)
    assert [(line.get("id"), line.get("reason", line.get("seq"))) for line in replies] == [
        (1, 1),
        (2, "topic_not_found"),
        ("three", 2),
        (None, "bad_request"),
        (5, None),
        (6, "bad_request"),
        (7, None),
        (8, 1),
        (9, "wrong_role"),
        (None, 3),
    ]


@pytest.mark.parametrize("version", [1, 2])
async def test_who_is_not_signed_in_may_only_do_that(bench: Bench, version: int) -> None:
    wire = await bench.open()
    asked: dict[str, dict[str, Any]] = {
        "create_topic": {"topic_name": "T"},
        "publish_msg": {"topic_name": "T", "msg": "a"},
        "list_topics": {},
        "subscribe": {"topic_name": "T"},
        "unsubscribe": {"topic_name": "T"},
        "ping": {},
    }
    for action, keys in asked.items():
        reply = await wire.ask(action, **keys)
        assert reply == {"action": "error", "message": reply["message"]}
        assert f"sign in with connect or create before you {action}" in reply["message"]
    unknown = await wire.ask("connect", user_email="nobody@b.c", version=version)
    assert "no account yet" in unknown["message"]
    assert unknown.get("reason") == {1: None, 2: "account_not_found"}[version]


async def test_each_role_is_refused_what_the_other_may(bench: Bench) -> None:
    await bench.topic("T", "a")
    shop, ann = await bench.publisher(version=2), await bench.subscriber(version=2)
    asked: list[tuple[Wire, str, dict[str, Any]]] = [
        (shop, "subscribe", {}),
        (shop, "unsubscribe", {}),
        (shop, "ack", {"seq": 1}),
        (shop, "subscriptions", {}),
        (ann, "create_topic", {}),
        (ann, "publish_msg", {"msg": "a"}),
        (ann, "publish_many", {"msgs": ["a"]}),
    ]
    for wire, action, keys in asked:
        reply = await wire.ask(action, topic_name="T", id=1, **keys)
        assert (reply["action"], reply["reason"]) == ("error", "wrong_role"), action


async def test_version_2_has_to_be_asked_for(bench: Bench) -> None:
    shop = await bench.publisher()
    reply = await shop.ask("ping", id=1)
    assert reply["action"] == "error"
    assert set(reply) == {"action", "message"}
    await shop.ask("connect", user_email=SHOP, version=2)
    assert await shop.ask("ping", id=1) == {**SUCCESS, "id": 1}


async def test_one_connection_may_be_one_account_after_the_other(bench: Bench) -> None:
    await bench.topic("T", "a")
    wire = await bench.subscriber("T")
    await bench.publish("b")
    assert await wire.read() == {"action": "broadcast", "message": "b"}
    assert await wire.ask("connect", user_email=SHOP) == SUCCESS
    assert await wire.ask("publish_msg", topic_name="T", msg="c") == SUCCESS
    assert await wire.ask("connect", user_email=ANN) == SUCCESS
    assert await wire.read() == {"action": "unread", "message": "c"}


async def test_a_sign_in_that_fails_leaves_the_session_as_it_was(bench: Bench) -> None:
    await bench.topic("T")
    ann = await bench.subscriber("T")
    assert (await ann.ask("connect", user_email="nobody@b.c"))["action"] == "error"
    assert (await ann.ask("create", user_email=ANN, user_type="publisher"))["action"] == "error"
    await bench.publish("a")
    assert await ann.read() == {"action": "broadcast", "message": "a"}


async def test_an_over_long_line_costs_one_error_and_nothing_else() -> None:
    async with running(message_bytes=1_000) as bench:
        await bench.topic("T")
        shop = await bench.publisher(version=2)
        shop.send("publish_msg", topic_name="T", msg="x" * 998, id=1)
        shop.send("publish_msg", topic_name="T", msg="x" * 999, id=2)
        shop.send("publish_msg", topic_name="T", msg="\0" * 167, id=3)
        shop.send("publish_many", topic_name="T", msgs=["a", "x" * 999], id=4)
        shop.send("publish_msg", topic_name="T", msg="x" * 100_000, id=5)
        shop.send("publish_msg", topic_name="T", msg="y", id=6)
        replies = await shop.read_many(6)
        assert [line.get("reason", line.get("seq")) for line in replies] == [
            1,
            *["too_large"] * 4,
            2,
        ]


# taking over


@pytest.mark.parametrize("version", [1, 2])
async def test_a_newer_session_of_a_subscriber_takes_over_and_nothing_is_skipped(
    bench: Bench, version: int
) -> None:
    await bench.topic("T")
    older = await bench.subscriber("T", version=version)
    await bench.publish("a")
    assert (await older.read())["action"] == "broadcast"
    newer = await bench.open()
    newer.send("connect", user_email=ANN, version=2)
    reply = await newer.read()
    (told,) = await older.read_until_closed()
    assert told["action"] == "error"
    assert "taken over" in told["message"]
    assert told.get("reason") == {1: None, 2: "taken_over"}[version]
    await bench.publish("b", "c")
    unread = reply["subscriptions"][0]["unread"]
    assert version == 1 or unread == 1  # nobody has acknowledged it
    found = await read_messages(newer, unread + 2)
    assert [text for _, _, text in found] == [*"abc"][1 - unread :]


async def test_of_many_that_sign_in_at_once_the_newest_stays(bench: Bench) -> None:
    await bench.topic("T")
    await bench.close(await bench.subscriber("T"))
    wires = [await bench.open() for _ in range(10)]
    for wire in wires:
        wire.send("connect", user_email=ANN)
    replies = [await wire.read() for wire in wires]
    await bench.publish("a")
    assert replies[-1] == SUCCESS
    assert await wires[-1].read() == {"action": "broadcast", "message": "a"}
    for wire, reply in zip(wires[:-1], replies, strict=False):
        last = [*await wire.read_until_closed(), reply][0]
        assert "has taken over" in last["message"]


async def test_a_publisher_may_have_many_sessions(bench: Bench) -> None:
    await bench.topic("T")
    wires = [await bench.publisher() for _ in range(3)]
    for wire in wires:
        assert await wire.ask("publish_msg", topic_name="T", msg="a") == SUCCESS


async def test_a_session_that_only_asks_takes_nothing_over(bench: Bench) -> None:
    await bench.topic("T")
    ann = await bench.subscriber("T", version=2)
    look = await bench.subscriber(version=2, deliver=False)
    await bench.publish("a")
    assert (await look.ask("subscriptions"))["subscriptions"] == [
        {"topic_name": "T", "cursor": 0, "head": 1, "unread": 1}
    ]
    for action, keys in [("subscribe", {}), ("unsubscribe", {}), ("ack", {"seq": 1})]:
        assert (await look.ask(action, topic_name="T", **keys))["reason"] == "bad_request"
    assert (await ann.read())["messages"] == ["a"]


# producers


async def stored(bench: Bench, topic: str = "T") -> list[str]:
    """Return all messages of `topic`, as a subscriber gets them."""
    found = next(record for record in await bench.store.topics() if record.name == topic)
    blocks = await bench.store.read(found.id, 1, 2**30)
    return [json.loads(line) for block in blocks for line in block.bodies.splitlines()]


async def test_what_a_producer_repeats_is_stored_once(bench: Bench) -> None:
    await bench.topic("T")
    till = await bench.publisher(version=2, producer="till")
    for number in (1, 2, 2, 5, 1, 5, 6):
        till.send("publish_msg", topic_name="T", msg=f"m{number}", id=number)
    replies = await till.read_many(7)
    assert [line["id"] for line in replies] == [1, 2, 2, 5, 1, 5, 6]
    assert [line.get("seq", "again") for line in replies] == [1, 2, "again", 3, "again", "again", 4]
    assert [line.get("duplicate", False) for line in replies] == [
        "seq" not in line for line in replies
    ]
    assert await stored(bench) == ["m1", "m2", "m5", "m6"]


async def test_a_producer_that_comes_back_sends_again_what_was_not_answered(bench: Bench) -> None:
    await bench.topic("T")
    till = await bench.publisher(version=2, producer="till")
    bench.store.hold()
    for number in range(1, 11):
        till.send("publish_msg", topic_name="T", msg=f"m{number}", id=number)
    await bench.store.held.wait()
    till.writer.transport.abort()
    again = await bench.open()
    again.send("connect", user_email=SHOP, version=2, producer="till")
    bench.store.release()
    last_id = (await again.read())["last_id"]
    assert last_id == 10
    for number in range(1, 13):
        again.send("publish_msg", topic_name="T", msg=f"m{number}", id=number)
    replies = await again.read_many(12)
    assert [line.get("duplicate", False) for line in replies] == [True] * 10 + [False] * 2
    assert await stored(bench) == [f"m{number}" for number in range(1, 13)]


async def test_producers_of_an_account_do_not_know_each_other(bench: Bench) -> None:
    await bench.topic("T")
    one = await bench.publisher(version=2, producer="one")
    other = await bench.publisher(version=2, producer="other")
    plain = await bench.publisher(version=2)
    for wire in (one, other, plain, plain):
        reply = await wire.ask("publish_msg", topic_name="T", msg="a", id=1)
        assert "seq" in reply
    assert len(await stored(bench)) == 4


BAD: dict[str, dict[str, Any]] = {
    "no topic": {"topic_name": "LATER", "msg": "a"},
    "too large": {"topic_name": "T", "msg": "x" * 2_000},
    "malformed": {"topic_name": "T", "msg": 7},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("others_between", [True, False])
async def test_a_refused_id_can_be_sent_again_and_is_then_stored_once(
    bad: dict[str, Any], others_between: bool
) -> None:
    async with running(message_bytes=1_000) as bench:
        await bench.topic("T")
        till = await bench.publisher(version=2, producer="till")
        assert (await till.ask("publish_msg", id=1, **bad))["action"] == "error"
        if others_between:
            assert "seq" in await till.ask("publish_msg", topic_name="T", msg="other", id=2)
        again = await bench.publisher(version=2, producer="till")
        for wire, new in [(again, True), (again, False)]:
            reply = await wire.ask("publish_msg", topic_name="T", msg="a", id=1)
            assert ("seq" in reply, "duplicate" in reply) == (new, not new)
        once_more = await bench.publisher(version=2, producer="till")
        reply = await once_more.ask("publish_msg", topic_name="T", msg="a", id=1)
        assert reply.get("duplicate") is True
        assert (await stored(bench)).count("a") == 1


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_a_refused_id_that_is_corrected_at_once_is_stored_once(bad: dict[str, Any]) -> None:
    async with running(message_bytes=1_000) as bench:
        await bench.topic("T")
        till = await bench.publisher(version=2, producer="till")
        assert (await till.ask("publish_msg", id=1, **bad))["action"] == "error"
        assert "seq" in await till.ask("publish_msg", topic_name="T", msg="a", id=1)
        assert (await till.ask("publish_msg", topic_name="T", msg="a", id=1))["duplicate"] is True
        assert await stored(bench) == ["a"]


@pytest.mark.parametrize("bad_id", [None, "1", 0, -1])
@pytest.mark.parametrize("action", ["publish_msg", "publish_many"])
async def test_a_producers_ids_are_integers_from_1(
    bench: Bench, bad_id: object, action: str
) -> None:
    await bench.topic("T")
    till = await bench.publisher(version=2, producer="till")
    keys = {} if bad_id is None else {"id": bad_id}
    reply = await till.ask(action, topic_name="T", msg="a", msgs=["a"], **keys)
    assert (reply["action"], reply["reason"]) == ("error", "bad_request")
    assert reply.get("id") == bad_id
    assert await stored(bench) == []


async def test_a_list_has_one_id_and_is_stored_once(bench: Bench) -> None:
    await bench.topic("T")
    till = await bench.publisher(version=2, producer="till")
    for _ in range(2):
        till.send("publish_many", topic_name="T", msgs=["a", "b"], id=1)
        till.send("publish_msg", topic_name="T", msg="c", id=2)
    replies = await till.read_many(4)
    assert [line.get("seq") for line in replies] == [1, 3, None, None]
    assert [line.get("duplicate") for line in replies] == [None, None, True, True]
    assert await stored(bench) == ["a", "b", "c"]


async def test_a_newer_session_of_a_producer_takes_over(bench: Bench) -> None:
    older = await bench.publisher(version=2, producer="till")
    newer = await bench.publisher(version=2, producer="till")
    (told,) = await older.read_until_closed()
    assert told["reason"] == "taken_over"
    assert (await newer.ask("ping"))["action"] == "success"


async def test_a_producer_is_for_publishers(bench: Bench) -> None:
    wire = await bench.open()
    reply = await wire.ask(
        "create", user_email=ANN, user_type="subscriber", version=2, producer="till"
    )
    assert reply["reason"] == "wrong_role"
    assert await bench.store.find_account(ANN) is None


async def test_a_producer_whose_publish_is_in_doubt_signs_in_again_and_stores_it_once() -> None:
    async with running(store_wait_s=0) as bench:
        await bench.topic("T")
        till = await bench.publisher(version=2, producer="till")
        bench.store.lose_answer()
        till.send("publish_msg", topic_name="T", msg="a", id=1)
        refused, ended = await till.read_until_closed()
        assert (refused["reason"], refused["id"]) == ("store_unavailable", 1)
        assert ended["reason"] == "store_unavailable"
        again = await bench.publisher(version=2, producer="till")
        reply = await again.ask("publish_msg", topic_name="T", msg="a", id=1)
        assert reply["duplicate"] is True
        assert await stored(bench) == ["a"]


# subscriptions


async def test_only_what_is_published_after_the_subscription_comes(bench: Bench) -> None:
    await bench.topic("T", "a", "b")
    ann = await bench.subscriber("T")
    await bench.publish("c")
    assert await ann.read() == {"action": "broadcast", "message": "c"}


async def test_subscribing_twice_changes_nothing(bench: Bench) -> None:
    await bench.topic("T")
    ann = await bench.subscriber("T", version=2)
    await bench.publish("a")
    await ann.read()
    assert (await ann.ask("subscribe", topic_name="T"))["action"] == "success"
    await bench.publish("b")
    assert await read_messages(ann, 1) == [("broadcast", 2, "b")]
    (state,) = (await ann.ask("subscriptions"))["subscriptions"]
    assert state["cursor"] == 0


@pytest.mark.parametrize(
    ("place", "unread"),
    [("new", []), ("all", [1, 2, 3, 4]), (1, [1, 2, 3, 4]), (3, [3, 4]), (5, []), (99, [])],
)
@pytest.mark.parametrize("there_already", [True, False])
async def test_a_subscription_begins_where_it_is_put(
    bench: Bench, place: str | int, unread: list[int], there_already: bool
) -> None:
    await bench.topic("T", *"ab")
    ann = await bench.subscriber(*["T"] * there_already, version=2)
    await bench.publish(*"cd")
    if there_already:
        await read_messages(ann, 2)
        await ann.ask("ack", topic_name="T", seq=3)
    assert (await ann.ask("subscribe", topic_name="T", from_=place))["action"] == "success"
    await bench.publish("e")
    expected = [("unread", seq, " abcd"[seq]) for seq in unread] + [("broadcast", 5, "e")]
    assert await read_messages(ann, len(expected)) == expected
    (state,) = (await ann.ask("subscriptions"))["subscriptions"]
    assert state["unread"] == len(expected)


async def test_a_place_in_version_1_has_no_effect(bench: Bench) -> None:
    await bench.topic("T", "a")
    ann = await bench.subscriber()
    assert await ann.ask("subscribe", topic_name="T", from_="all") == SUCCESS
    await bench.publish("b")
    assert await ann.read() == {"action": "broadcast", "message": "b"}


async def test_acknowledging_moves_the_cursor_forward_only(bench: Bench) -> None:
    await bench.topic("T", *"abcde")
    ann = await bench.subscriber(version=2)
    await ann.ask("subscribe", topic_name="T", from_="all")
    await read_messages(ann, 5)
    places = []
    for seq in (2, 1, 0, 4):
        assert (await ann.ask("ack", topic_name="T", seq=seq))["action"] == "success"
        places.append((await ann.ask("subscriptions"))["subscriptions"][0]["cursor"])
    assert places == [2, 2, 2, 4]


async def test_more_than_was_delivered_cannot_be_acknowledged(bench: Bench) -> None:
    await bench.topic("T", *"ab")
    ann = await bench.subscriber("T", version=2)
    reply = await ann.ask("ack", topic_name="T", seq=3, id=7)
    assert (reply["reason"], reply["id"]) == ("bad_request", 7)
    for topic, reason in [("U", "topic_not_found")]:
        assert (await ann.ask("ack", topic_name=topic, seq=1))["reason"] == reason
    await ann.ask("unsubscribe", topic_name="T")
    assert (await ann.ask("ack", topic_name="T", seq=1))["reason"] == "not_subscribed"


async def test_what_was_not_acknowledged_comes_again_with_the_same_seqs(bench: Bench) -> None:
    await bench.topic("T")
    ann = await bench.subscriber("T", version=2)
    await bench.publish(*"abc")
    await read_messages(ann, 3)
    await ann.ask("ack", topic_name="T", seq=1)
    await bench.close(ann)
    again = await bench.subscriber(version=2)
    assert await read_messages(again, 2) == [("unread", 2, "b"), ("unread", 3, "c")]


async def test_nothing_of_a_topic_comes_after_the_success_of_unsubscribe(bench: Bench) -> None:
    await bench.topic("T")
    await bench.topic("U")
    ann = await bench.subscriber("T", "U")
    shop = await bench.publisher()
    for number in range(100):
        shop.send("publish_msg", topic_name="T", msg=str(number))
    ann.send("unsubscribe", topic_name="T")
    await shop.read_many(100)
    await bench.publish("a", topic="T")
    await bench.publish("b", topic="U")
    lines: list[dict[str, Any]] = []
    while not lines or lines[-1].get("message") != "b":
        lines.append(await ann.read())
    assert lines[-2:] == [SUCCESS, {"action": "broadcast", "message": "b"}]
    texts = [line["message"] for line in lines[:-2]]
    assert texts == [str(number) for number in range(len(texts))]
    reply = await ann.ask("unsubscribe", topic_name="T")
    assert "not subscribed" in reply["message"]


async def test_unread_ends_with_the_subscription(bench: Bench) -> None:
    await bench.topic("T")
    ann = await bench.subscriber("T", version=2)
    await bench.publish("a")
    await ann.read()
    assert (await ann.ask("unsubscribe", topic_name="T"))["action"] == "success"
    await bench.close(ann)
    again = await bench.open()
    assert (await again.ask("connect", user_email=ANN, version=2))["subscriptions"] == []


# looking


def seqs(reply: dict[str, Any]) -> list[int]:
    return [
        seq
        for block in reply["blocks"]
        for seq in range(block["seq"], block["seq"] + len(block["messages"]))
    ]


async def test_history_gives_what_lies_next_to_a_seq(bench: Bench) -> None:
    await bench.topic("T", *"ab")
    shop = await bench.publisher(version=2)
    await shop.ask("publish_many", topic_name="T", msgs=[*"cdef"])
    await bench.publish("g")
    for keys, expected in [
        ({"after": 0}, [1, 2, 3, 4, 5, 6, 7]),
        ({"after": 3}, [4, 5, 6, 7]),
        ({"after": 7}, []),
        ({"after": 2**63 - 1}, []),
        ({"after": 3, "limit": 2}, [4, 5]),
        ({"after": 1, "limit": 1}, [2]),
        ({"before": 0}, []),
        ({"before": 1}, []),
        ({"before": 5}, [1, 2, 3, 4]),
        ({"before": 5, "limit": 2}, [3, 4]),
        ({"before": 2**63 - 1, "limit": 3}, [5, 6, 7]),
    ]:
        reply = await shop.ask("history", topic_name="T", **keys)
        assert (reply["action"], reply["head"]) == ("history", 7), keys
        assert seqs(reply) == expected, keys
        for block in reply["blocks"]:
            texts = ["abcdefg"[seq - 1] for seq in range(block["seq"], 8)]
            assert block["messages"] == texts[: len(block["messages"])]


async def test_history_takes_a_bounded_number_from_one_side(bench: Bench) -> None:
    await bench.topic("T", "a")
    ann = await bench.subscriber(version=2)
    keys: dict[str, int]
    for keys in (
        {},
        {"after": 0, "before": 2},
        {"after": 0, "limit": 0},
        {"after": 0, "limit": 1_001},
        {"after": -1},
    ):
        assert (await ann.ask("history", topic_name="T", **keys))["reason"] == "bad_request", keys
    assert (await ann.ask("history", topic_name="U", after=0))["reason"] == "topic_not_found"


@pytest.mark.parametrize("cache_bytes", [0, 2**20])
async def test_history_keeps_to_the_line_limit(cache_bytes: int) -> None:
    async with running(message_bytes=1_000, cache_bytes=cache_bytes) as bench:
        await bench.topic("T", *[f"{number}" * 300 for number in range(8)])
        ann = await bench.subscriber(version=2)
        limit = bench.broker.settings.line_bytes
        for keys, first in [({"after": 0}, [1, 2]), ({"before": 9}, [7, 8])]:
            ann.send("history", topic_name="T", **keys)
            line = await ann.read_line()
            assert len(line) <= limit
            found = seqs(json.loads(line))
            assert 0 < len(found) < 8
            assert found == first[: len(found)] or found == first[-len(found) :]


async def test_history_moves_no_cursor(bench: Bench) -> None:
    await bench.topic("T")
    ann = await bench.subscriber("T", version=2)
    await bench.publish("a")
    await ann.read()
    await ann.ask("history", topic_name="T", after=0)
    assert (await ann.ask("subscriptions"))["subscriptions"][0]["cursor"] == 0


async def test_receipts_tell_how_many_have_confirmed_a_message(bench: Bench) -> None:
    await bench.topic("T")
    shop = await bench.publisher(version=2)
    assert await receipt(shop, 1) == (0, 0)
    ann = await bench.subscriber("T", version=2)
    bob = await bench.subscriber("T", email=BOB)
    await bench.publish(*"ab")
    await read_messages(ann, 2)
    await ann.ask("ack", topic_name="T", seq=1)
    assert [await bob.read() for _ in "ab"]
    await bench.close(bob)
    assert [await receipt(shop, seq) for seq in (0, 1, 2, 3)] == [(2, 2), (2, 2), (1, 2), (0, 2)]


async def receipt(wire: Wire, seq: int) -> tuple[int, int]:
    reply = await wire.ask("receipts", topic_name="T", seq=seq)
    assert (reply["topic_name"], reply["seq"]) == ("T", seq)
    return reply["confirmed"], reply["subscriptions"]


async def test_list_topics_tells_each_role_what_concerns_it(bench: Bench) -> None:
    for name in ("T", "U"):
        await bench.topic(name)
    ann = await bench.subscriber("T", version=2)
    await bench.subscriber("T", "U", email=BOB, version=2)
    await bench.publish(*"abc")
    await read_messages(ann, 3)
    await ann.ask("ack", topic_name="T", seq=2)
    shop = await bench.publisher(version=2)
    told = {}
    for wire in (shop, ann):
        reply = await wire.ask("list_topics")
        assert reply["topics"] == ["T", "U"]
        for one in reply["details"]:
            assert (one["published_at"] is None) is (one["head"] == 0)
            key = (wire is shop, one["topic_name"])
            told[key] = [one[k] for k in ("head", "subscribers", "subscribed", "behind", "unread")]
    assert told == {
        (True, "T"): [3, 2, False, 2, 4],
        (True, "U"): [0, 1, False, 0, 0],
        (False, "T"): [3, 2, True, 1, 1],
        (False, "U"): [0, 1, False, 0, 0],
    }


async def test_ping_says_that_all_before_it_is_answered(bench: Bench) -> None:
    await bench.topic("T")
    shop = await bench.publisher(version=2)
    bench.store.hold()
    shop.send("publish_msg", topic_name="T", msg="a", id=1)
    shop.send("ping", id=2)
    await bench.store.held.wait()
    bench.store.release()
    assert [line["id"] for line in await shop.read_many(2)] == [1, 2]


async def test_a_flood_of_requests_leaves_the_others_their_turns(bench: Bench) -> None:
    await bench.topic("T" * 200)
    await bench.close(await bench.publisher())
    wire = await bench.publisher()
    (connection,) = bench.broker._connections
    count = 5_000
    before = connection.written
    connection.session.receive([b'{"action":"list_topics"}'] * count)
    assert 0 < connection.written - before < 32 * 1_024
    expected = {"action": "list_topics", "topics": ["T" * 200]}
    assert await wire.read_many(count) == [expected] * count
    assert await wire.ask("list_topics") == expected


async def test_who_goes_away_is_not_written_to(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await bench.publisher()
    (connection,) = bench.broker._connections
    reset(wire)
    await until(lambda: wire.writer.get_extra_info("socket").fileno() < 0)
    connection.session.receive([b"?"] * 5_000)
    await until(lambda: not bench.broker._connections)
    assert "raised exception" not in caplog.text


async def test_who_goes_away_right_after_asking_is_no_fault(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for action in ("create_topic", "change_password", "list_topics"):
        wire = await bench.publisher(version=2)
        (connection,) = bench.broker._connections
        line = {"action": action, "topic_name": "T", "password": "correct horse"}
        connection.data_received(json.dumps(line).encode() + b"\n")
        connection.session.end()  # before the request that takes time had its first turn
        await asyncio.sleep(0)
        connection.abort()
        await until(lambda: not bench.broker._connections)
        await bench.close(wire)
    assert not [one for one in caplog.records if one.exc_info]


async def test_a_fault_of_the_broker_costs_the_connection_and_nobody_waits_for_a_reply(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def receipts(topic_id: int, seq: int) -> tuple[int, int]:
        raise RuntimeError("this is not thought of")

    monkeypatch.setattr(bench.store, "receipts", receipts)
    await bench.topic("T")
    shop, other = await bench.publisher(version=2), await bench.publisher(version=2)
    shop.send("receipts", topic_name="T", seq=1)
    assert await shop.read_line() == b""
    assert "this is not thought of" in caplog.text
    assert (await other.ask("ping"))["action"] == "success"


async def test_a_fault_behind_a_publish_does_not_reach_the_log(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def ping(hub: Hub, session: Session, request: Ping) -> None:
        raise RuntimeError("this is not thought of")

    monkeypatch.setattr("broker.actions.ACTIONS", ACTIONS | {Ping: (None, ping)})
    await bench.topic("T")
    shop = await bench.publisher(version=2)
    shop.send_bytes(
        b'{"action":"publish_msg","topic_name":"T","msg":"a"}\n{"action":"ping"}\n'
        b'{"action":"publish_msg","topic_name":"T","msg":"b"}\n'
    )
    assert "seq" in await shop.read()
    assert await shop.read_line() == b""
    assert "this is not thought of" in caplog.text
    await bench.publish("c")
    assert await stored(bench) == ["a", "c"]


# the end of the stream


async def test_half_a_close_brings_every_reply_and_then_the_end(bench: Bench) -> None:
    await bench.topic("T")
    shop = await bench.publisher()
    bench.store.hold()
    for number in range(MANY):
        shop.send("publish_msg", topic_name="T", msg=str(number))
    shop.send("list_topics")
    shop.writer.write_eof()
    await bench.store.held.wait()
    bench.store.release()
    lines = await shop.read_until_closed()
    assert lines == [SUCCESS] * MANY + [{"action": "list_topics", "topics": ["T"]}]


async def test_a_last_line_without_a_newline_counts(bench: Bench) -> None:
    wire = await bench.open()
    wire.send_bytes(b'{"action":"create","user_email":"shop@b.c","user_type":"publisher"}')
    assert await wire.read_until_closed() == [SUCCESS]


@pytest.mark.parametrize("cache_bytes", [0, 2**20])
@pytest.mark.parametrize("version", [1, 2])
async def test_half_a_close_brings_a_subscriber_all_that_was_unread(
    version: int, cache_bytes: int
) -> None:
    async with running(
        cache_bytes=cache_bytes, high_water_bytes=1_000, read_ahead_bytes=2_000
    ) as bench:
        for name in ("T", "U"):
            await bench.topic(name)
        await bench.close(await bench.subscriber("T", "U"))
        for name in ("T", "U"):
            await publish_many(bench, 500, topic=name)
        wire = await bench.open()
        wire.send("connect", user_email=ANN, version=version)
        success, *unread = await wire.read_until_closed()
        assert success["action"] == "success"
        assert {line["action"] for line in unread} == {"unread"}
        texts = [text for line in unread for text in line.get("messages", [line.get("message")])]
        for name in ("T", "U"):
            mine = [text for text in texts if text.startswith(name)]
            assert mine == [filling(number, name) for number in range(500)]


async def test_who_takes_long_is_not_cut_off_while_it_goes_on_taking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(stop_wait_s=0.05) as bench:
        looks: list[float] = []

        def acknowledged(connection: Connection) -> int:
            looks.append(asyncio.get_running_loop().time())
            return len(looks) if len(looks) < 9 else connection.written

        ann = await bench.subscriber()
        monkeypatch.setattr(Connection, "acknowledged", acknowledged)
        await bench.subscriber()  # takes over
        assert b"taken over" in await ann.reader.read()
        assert len(looks) == 9
        assert looks[-1] - looks[0] > 0.05


async def test_half_a_close_brings_everything_however_long_the_reader_rests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(stop_wait_s=0) as bench:
        await bench.topic("T" * 200)
        wire = await narrow(bench.broker.port)
        wire.send("create", user_email=DEPOT, user_type="publisher")
        assert await wire.read() == SUCCESS
        (connection,) = bench.broker._connections
        asked = 0
        while connection._transport.get_write_buffer_size() < 100_000:
            wire.send("list_topics")
            asked += 1
            await asyncio.sleep(0)
        wire.writer.write_eof()
        await until(lambda: connection._finishing)
        looks = 0
        acknowledged = Connection.acknowledged

        def look(connection: Connection) -> int:
            nonlocal looks
            looks += 1
            return acknowledged(connection)

        monkeypatch.setattr(Connection, "acknowledged", look)
        await until(lambda: looks == 5)
        expected = {"action": "list_topics", "topics": ["T" * 200]}
        lines = (await wire.reader.read()).splitlines()
        assert [json.loads(line) for line in lines] == [expected] * asked
        await wire.close()


async def test_who_ends_its_stream_and_then_goes_away_is_not_waited_for() -> None:
    async with running(high_water_bytes=10_000) as bench:
        await bench.topic("T" * 200)
        wire = await narrow(bench.broker.port)
        wire.send("create", user_email=DEPOT, user_type="publisher")
        assert await wire.read() == SUCCESS
        wire.send_bytes(b'{"action":"list_topics"}\n' * 100)
        wire.writer.write_eof()
        await until(lambda: any(one._finishing for one in bench.broker._connections))
        reset(wire)
        await until(lambda: not bench.broker._connections)


def filling(number: int, topic: str = "T", length: int = 100) -> str:
    return f"{topic}{number:0{length}}"


async def publish_many(
    bench: Bench, count: int, *, topic: str = "T", length: int = 100, at_once: int = 50
) -> None:
    """Publish `count` numbered messages in commits of `at_once`."""
    shop = await bench.publisher(version=2)
    for start in range(0, count, at_once):
        texts = [filling(number, topic, length) for number in range(start, start + at_once)]
        reply = await shop.ask("publish_many", topic_name=topic, msgs=texts)
        assert reply["seq"] == start + 1
    await bench.close(shop)


# those who do not read


async def narrow(port: int) -> Wire:
    """Open a connection whose kernel buffers little, and that reads only when asked to."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return Wire(*await asyncio.open_connection(sock=sock, limit=1_024))


async def test_a_subscriber_that_does_not_read_harms_nobody_and_loses_nothing() -> None:
    high_water = 64 * 1_024
    async with running(high_water_bytes=high_water, cache_bytes=100_000) as bench:
        await bench.topic("T")
        fast = await bench.subscriber("T", email=BOB, version=2)
        slow = await narrow(bench.broker.port)
        slow.send("create", user_email=ANN, user_type="subscriber", version=2)
        slow.send("subscribe", topic_name="T")
        await slow.read_many(2)
        # Far more than the buffers of both kernels and the broker hold together.
        block, blocks = 200, 200
        publishing = asyncio.ensure_future(publish_many(bench, block * blocks, at_once=block))
        assert len(await read_messages(fast, block * blocks)) == block * blocks
        await publishing
        buffered = [
            connection._transport.get_write_buffer_size()
            for connection in bench.broker._connections
        ]
        assert max(buffered) > high_water  # it is that much behind
        assert max(buffered) < high_water + block * 110 + 1_000  # one block more than the mark
        slow.reader._limit = 2**20  # type: ignore[attr-defined]
        found = await read_messages(slow, block * blocks)
        assert found == [
            ("broadcast", seq, filling(seq - 1)) for seq in range(1, block * blocks + 1)
        ]
        await bench.publish("live again")
        assert await read_messages(slow, 1) == [("broadcast", block * blocks + 1, "live again")]
        await slow.close()


async def test_reading_pauses_while_too_much_is_unanswered_and_goes_on() -> None:
    async with running(unfinished_bytes=100_000, commit_bytes=50_000) as bench:
        await bench.topic("T")
        shop = await bench.publisher()
        bench.store.hold()
        line = json.dumps({"action": "publish_msg", "topic_name": "T", "msg": "x" * 1_000})
        count = 20_000
        shop.send_bytes((line + "\n").encode() * count)
        await bench.store.held.wait()
        (connection,) = bench.broker._connections
        await until(lambda: not connection._reading)
        unfinished = sum(ticket.size for ticket in connection.session._tickets)
        assert unfinished < 100_000 + 2 * 256 * 1_024  # what one read of the socket may bring
        assert shop.writer.transport.get_write_buffer_size() > 0
        bench.store.release()
        assert await shop.read_many(count) == [SUCCESS] * count
        assert len(await stored(bench)) == count


async def test_who_does_not_read_the_replies_is_not_read_either() -> None:
    async with running(high_water_bytes=10_000) as bench:
        await bench.topic("T" * 200)
        await bench.close(await bench.publisher())
        wire = await narrow(bench.broker.port)
        wire.send("connect", user_email=SHOP)
        assert await wire.read() == SUCCESS
        (connection,) = bench.broker._connections
        asked = 0
        while connection._reading:
            wire.send_bytes(b'{"action":"list_topics"}\n' * 1_000)
            asked += 1_000
            await asyncio.sleep(0)
        assert connection._transport.get_write_buffer_size() < 10_000 + 1_000
        expected = {"action": "list_topics", "topics": ["T" * 200]}
        for _ in range(asked):
            assert await wire.read() == expected
        await wire.close()


async def test_who_does_not_read_what_became_of_its_publishes_is_not_read_either() -> None:
    high_water = 10_000
    async with running(high_water_bytes=high_water) as bench:
        await bench.topic("T")
        wire = await narrow(bench.broker.port)
        wire.send("create", user_email=DEPOT, user_type="publisher", version=2)
        await wire.read()
        (connection,) = bench.broker._connections
        count = 20_000
        for number in range(count):
            wire.send("publish_msg", topic_name="T", msg="", id=f"{number:0200}")
        await until(
            lambda: (
                (connection.congested and not connection._reading and not connection.session.busy)
                or connection._transport.get_write_buffer_size() > 2 * 2**20
            )
        )
        # Above the mark lie the answers to what had been read before it was reached.
        assert connection._transport.get_write_buffer_size() < high_water + 2**20
        assert len(await stored(bench)) < count
        for number in range(count):
            assert (await wire.read())["id"] == f"{number:0200}"
        assert len(await stored(bench)) == count
        await wire.close()


# version 1: what counts is what TCP has acknowledged


async def test_who_read_everything_does_not_get_it_again(bench: Bench) -> None:
    await bench.topic("T")
    ann = await bench.subscriber("T")
    await publish_many(bench, 500)
    for number in range(500):
        assert await ann.read() == {"action": "broadcast", "message": filling(number)}
    await bench.close(ann)
    again = await bench.open()
    again.send("connect", user_email=ANN)
    assert await again.read_until_closed() == [SUCCESS]


async def test_who_never_read_and_was_cut_off_gets_it_again() -> None:
    async with running(high_water_bytes=100_000) as bench:
        await bench.topic("T")
        await bench.close(await bench.subscriber("T"))
        count = 20_000
        await publish_many(bench, count, length=200, at_once=100)
        wire = await narrow(bench.broker.port)
        wire.send("connect", user_email=ANN)
        assert await wire.read() == SUCCESS
        reset(wire)
        again = await bench.open()
        again.send("connect", user_email=ANN)
        success, *unread = await again.read_until_closed()
        assert success == SUCCESS
        # At most what its kernel and its program had taken is missing, all of it at the start.
        first = count - len(unread)
        assert first * 200 < 1_000_000
        assert [line["message"] for line in unread] == [
            filling(number, length=200) for number in range(first, count)
        ]


def reset(wire: Wire) -> None:
    """Cut the connection off, throwing away what was not read."""
    sock = wire.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.writer.transport.abort()


async def test_a_cursor_follows_what_the_peer_takes(bench: Bench) -> None:
    await bench.topic("T")
    ann = await bench.subscriber("T")
    shop = await bench.publisher(version=2)
    for number in range(1, 4):
        await shop.ask("publish_msg", topic_name="T", msg="a")
        await ann.read()
        while await receipt(shop, number) != (1, 1):
            pass  # the kernel's acknowledgement is on its way


# stopping


async def test_stopping_answers_what_was_accepted_and_tells_everybody() -> None:
    store = MemoryStore()
    before = asyncio.all_tasks()
    async with running(store) as bench:
        await bench.topic("T")
        ann, shop = await bench.subscriber("T", version=2), await bench.publisher()
        await bench.publish("a")
        await ann.read()
        await ann.ask("ack", topic_name="T", seq=1)
        store.hold()
        shop.send("publish_msg", topic_name="T", msg="b")
        await store.held.wait()
        stopping = asyncio.ensure_future(bench.broker.stop())
        await asyncio.sleep(0)
        shop.send("publish_msg", topic_name="T", msg="c")
        store.release()
        replies = await shop.read_until_closed()
        delivered = await ann.read_until_closed()
        await stopping
        assert replies[0] == SUCCESS
        assert all("being stopped" in line["message"] for line in replies[1:])
        assert [*messages(delivered[:1])] == [("broadcast", 2, "b")]
        assert delivered[-1]["reason"] == "stopping"
        assert not store.opened
        with pytest.raises(ConnectionRefusedError):
            await bench.open()
    assert asyncio.all_tasks() == before
    (record,) = await store.topics()
    assert record.head == 2
    account = await store.find_account(ANN)
    assert account is not None
    assert [one.cursor for one in await store.subscriptions(account.id)] == [1]


async def test_stopping_twice_is_stopping_once(bench: Bench) -> None:
    await asyncio.gather(bench.broker.stop(), bench.broker.stop())
    await bench.broker.stop()
    assert not bench.store.opened


async def test_a_client_that_never_reads_does_not_keep_the_broker_from_stopping() -> None:
    before = asyncio.all_tasks()
    async with running(stop_wait_s=0.05, high_water_bytes=10_000) as bench:
        await bench.topic("T")
        await bench.close(await bench.subscriber("T"))
        await publish_many(bench, 20_000, length=200, at_once=1_000)
        wire = await narrow(bench.broker.port)
        wire.send("connect", user_email=ANN)
        await wire.read()
    wire.writer.transport.abort()
    assert asyncio.all_tasks() == before


async def test_a_store_that_stays_away_does_not_keep_the_broker_from_stopping() -> None:
    before = asyncio.all_tasks()
    async with running(store_wait_s=0, stop_wait_s=0.05) as bench:
        await bench.topic("T")
        shop = await bench.publisher()
        bench.store.lose()
        shop.send("publish_msg", topic_name="T", msg="a")
        await bench.store.asked_in_vain.wait()
        await bench.broker.stop()
        refused = await shop.read()
        assert "not known whether this was stored" in refused["message"]
    assert asyncio.all_tasks() == before


async def test_a_client_that_connects_just_as_the_broker_stops_does_no_harm(bench: Bench) -> None:
    connection = bench.broker._accept()  # asyncio makes its transport in the loop's next turn
    await bench.broker.stop()
    transport = create_autospec(asyncio.Transport, instance=True)
    connection.connection_made(transport)
    transport.abort.assert_called_once_with()


async def test_a_broker_on_the_same_store_goes_on_where_the_last_one_stopped() -> None:
    store = MemoryStore()
    async with running(store) as bench:
        await bench.topic("T", *"ab")
        ann = await bench.subscriber(version=2)
        await ann.ask("subscribe", topic_name="T", from_="all")
        await read_messages(ann, 2)
        await ann.ask("ack", topic_name="T", seq=1)
    async with running(store) as bench:
        await bench.publish("c")
        ann = await bench.subscriber(version=2)
        assert await read_messages(ann, 2) == [("unread", 2, "b"), ("unread", 3, "c")]


async def test_several_brokers_run_in_one_loop_without_knowing_each_other() -> None:
    async with running() as one, running() as other:
        assert one.broker.port != other.broker.port
        for bench in (one, other):
            await bench.topic("T")
        ann, bob = await one.subscriber("T"), await other.subscriber("T", email=BOB)
        await one.publish("for ann")
        await other.publish("for bob")
        assert (await ann.read())["message"] == "for ann"
        assert (await bob.read())["message"] == "for bob"
        await one.broker.stop()
        await other.publish("still here")
        assert (await bob.read())["message"] == "still here"


# a store that is lost


Ask = Callable[[Wire], Awaitable[dict[str, Any]]]


async def test_what_needs_the_store_is_refused_while_it_is_away_and_works_again(
    bench: Bench,
) -> None:
    await bench.topic("T")
    shop, ann = await bench.publisher(version=2), await bench.subscriber("T", version=2)
    asks: list[Ask] = [
        lambda wire: wire.ask("list_topics"),
        lambda wire: wire.ask("receipts", topic_name="T", seq=1),
    ]
    bench.store.lose()
    for ask in asks:
        for wire in (shop, ann):
            assert (await ask(wire))["reason"] == "store_unavailable"
    for action in ("subscribe", "unsubscribe"):
        refused = await ann.ask(action, topic_name="T", from_="all")
        assert refused["reason"] == "store_unavailable"
    assert (await ann.ask("connect", user_email=ANN, version=2))["reason"] == "store_unavailable"
    bench.store.restore()
    for ask in asks:
        for wire in (shop, ann):
            assert (await ask(wire))["action"] != "error"
    await bench.publish("a")
    assert await read_messages(ann, 1) == [("broadcast", 1, "a")]


async def test_a_topic_whose_making_had_no_answer_can_be_published_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def create_topic(name: str, creator_id: int) -> None:
        await MemoryStore.create_topic(bench.store, name, creator_id)
        raise StoreLost("the answer was lost")

    monkeypatch.setattr(bench.store, "create_topic", create_topic)
    shop = await bench.publisher()
    assert (await shop.ask("create_topic", topic_name="T"))["action"] == "error"
    monkeypatch.undo()
    again = await shop.ask("create_topic", topic_name="T")
    assert again["message"] == "there is a topic 'T' already; publish to it as it is"
    assert await shop.ask("publish_msg", topic_name="T", msg="a") == SUCCESS


async def test_what_the_store_refuses_is_told_as_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def create_topic(name: str, creator_id: int) -> None:
        raise StoreRefused("it is full")

    monkeypatch.setattr(bench.store, "create_topic", create_topic)
    reply = await (await bench.publisher()).ask("create_topic", topic_name="T")
    assert reply["message"] == "the store refuses this (it is full); ask again in a moment"


async def test_cursors_that_could_not_be_saved_are_saved_later() -> None:
    async with running(cursor_save_s=0.01) as bench:
        await bench.topic("T")
        ann = await bench.subscriber("T", version=2)
        await bench.publish("a")
        await ann.read()
        bench.store.lose()
        await ann.ask("ack", topic_name="T", seq=1)
        await bench.store.asked_in_vain.wait()
        bench.store.restore()
        await bench.store.saved.wait()
        account = await bench.store.find_account(ANN)
        assert account is not None
        assert [one.cursor for one in await bench.store.subscriptions(account.id)] == [1]
