"""What a client should not send, over TCP: one clear error each, and all else goes on."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from broker import Broker, Settings
from protocol.names import EMAIL_LIMIT, PRODUCER_LIMIT, TOPIC_NAME_LIMIT
from protocol.requests import ACTIONS, HISTORY_LIMIT, ID_LIMIT
from tests.wire import Wire

Open = Callable[[], Awaitable[Wire]]

MIB = 1024 * 1024
HIGHEST = 2**63 - 1

SUCCESS = {"action": "success", "code": 0}
LIST = b'{"action":"list_topics"}'
NO_TOPICS = {"action": "list_topics", "topics": []}

GARBAGE = [
    b"hello",
    b"GET / HTTP/1.1",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # how TLS begins
    b"\x00",
    b"\xff\xfe\xfd",
    b"\xef\xbb\xbf" + LIST,
    LIST.decode().encode("utf-16-be"),
    b"null",
    b"7",
    b'"list_topics"',
    b"[]",
    b"[" + LIST + b"]",
    b"{}",
    b"{",
    b'{"action"',
    b'{"action":"list_topics"',
    b'{"action":"list_topics"}}',
    b"{'action':'list_topics'}",
    b'{"action":null}',
    b'{"action":7}',
    b'{"action":["list_topics"]}',
    b'{"action":""}',
    b'{"action":"LIST_TOPICS"}',
    b'{"action":"publish"}',
    b'{"action":"\xff"}',
    b'{"action":"\xed\xa0\x80"}',
    rb'{"action":"\ud800"}',
    rb'{"action":"list_topics","id":"\udc00"}',
    b'{"action":"list_topics","id":null}',
    b'{"action":"list_topics","id":1e999}',
    b'{"action":"list_topics","id":' + b"9" * 9_999 + b"}",
    b'{"action":"connect"}',
    b'{"action":"connect","user_email":null}',
    b'{"action":"connect","user_email":["a@b"]}',
    b'{"action":"connect","user_email":"a@b","version":3}',
    b'{"action":"create","user_email":"a@b"}',
    b'{"action":"create","user_email":"a@b","user_type":true}',
    b'{"action":"publish_msg","topic_name":"T"}',
    b'{"action":"publish_msg","topic_name":"T","msg":{"text":"m"}}',
    b'{"action":"publish_msg","topic_name":"T","msg":"a\x00b"}',
    b'{"action":"publish_msg","topic_name":"T","msg":"\xc3"}',
    rb'{"action":"publish_msg","topic_name":"T","msg":"\ud83d"}',
    b"[" * 50_000,
    b"[" * 50_000 + b"]" * 50_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"action":"list_topics","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    LIST + LIST,
    LIST + b" " + LIST,
    LIST + b"," + LIST,
    LIST + b"\x00",
    LIST[:9] + b"\r" + LIST[9:-2],
]


async def sign_up(wire: Wire, user_type: str, **keys: Any) -> dict[str, Any]:
    """Make the account that is named as its type, and return the reply."""
    email = f"{user_type}@example.com"
    reply = await wire.ask("create", user_email=email, user_type=user_type, **keys)
    assert reply["action"] == "success"
    return reply


def assert_error_1(reply: dict[str, Any], sent: object) -> None:
    assert reply.keys() == {"action", "message"}, f"{sent!r} brought {reply}"
    assert reply["action"] == "error"
    assert reply["message"].isprintable()
    assert 0 < len(reply["message"]) < 900


def assert_error_2(reply: dict[str, Any], reason: str, sent: object) -> None:
    assert reply["action"] == "error", f"{sent!r} brought {reply}"
    assert reply.keys() - {"id"} == {"action", "message", "reason"}
    assert reply["reason"] == reason, f"{sent!r} brought {reply}"


@pytest.fixture
async def narrow(database: str) -> AsyncIterator[Broker]:
    """A broker that takes messages of 1,000 bytes at most."""
    async with Broker(Settings(store_url=database, port=0, message_bytes=1_000)) as running:
        yield running


# lines that are no requests


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_each_bad_line_is_refused_in_its_place_and_its_neighbours_succeed(
    connect: Open, end: bytes
) -> None:
    wire = await connect()
    await sign_up(wire, "publisher")
    wire.send_bytes(LIST + end + b"".join(bad + end + LIST + end for bad in GARBAGE))
    assert await wire.read() == NO_TOPICS
    for bad in GARBAGE:
        assert_error_1(await wire.read(), bad)
        assert await wire.read() == NO_TOPICS
    assert await wire.ask("create_topic", topic_name="T") == SUCCESS


async def test_publishes_around_bad_lines_are_stored_in_order(connect: Open) -> None:
    reader, wire = await connect(), await connect()
    await sign_up(wire, "publisher")
    await wire.ask("create_topic", topic_name="T")
    await sign_up(reader, "subscriber")
    await reader.ask("subscribe", topic_name="T")
    for number, bad in enumerate(GARBAGE):
        wire.send("publish_msg", topic_name="T", msg=f"message {number}")
        wire.send_bytes(bad + b"\n")
    for bad in GARBAGE:
        assert await wire.read() == SUCCESS
        assert_error_1(await wire.read(), bad)
    assert await reader.read_many(len(GARBAGE)) == [
        {"action": "broadcast", "message": f"message {number}"} for number in range(len(GARBAGE))
    ]


async def test_version_2_tells_the_reason_of_each_bad_line(connect: Open) -> None:
    wire = await connect()
    await sign_up(wire, "publisher", version=2)
    for bad in GARBAGE:
        wire.send_bytes(bad + b"\n")
        wire.send("ping", id=7)
    for bad in GARBAGE:
        reply = await wire.read()
        unknown = reply["message"].startswith("there is no action")
        assert_error_2(reply, "unknown_action" if unknown else "bad_request", bad)
        assert await wire.read() == SUCCESS | {"id": 7}


async def test_a_request_may_come_byte_by_byte(connect: Open) -> None:
    wire = await connect()
    stream = (
        b'{"action":"create","user_email":"a@b","user_type":"publisher"}\r\n'
        b"\n\xff\r\nhello\n" + LIST + b"\n"
    )
    for byte in stream:
        wire.send_bytes(bytes([byte]))
        await asyncio.sleep(0)  # the broker reads in the same loop
    assert await wire.read() == SUCCESS
    assert_error_1(await wire.read(), b"\xff")
    assert_error_1(await wire.read(), b"hello")
    assert await wire.read() == NO_TOPICS


async def test_blank_lines_get_no_reply(connect: Open) -> None:
    wire = await connect()
    wire.send_bytes(b"\n\r\n \t\r\n" * 1_000)
    await sign_up(wire, "publisher")
    wire.send_bytes(b"\n\n" + LIST + b"\n\r\n" + LIST + b"\r\n\n")
    assert await wire.read_until_closed() == [NO_TOPICS, NO_TOPICS]


@pytest.mark.parametrize("last", [b"hello", b"{", b"\xff", LIST[:-1]])
async def test_a_bad_last_line_without_a_newline_is_refused(connect: Open, last: bytes) -> None:
    wire = await connect()
    await sign_up(wire, "publisher")
    wire.send_bytes(LIST + b"\n" + last)
    first, error = await wire.read_until_closed()
    assert first == NO_TOPICS
    assert_error_1(error, last)


async def test_a_flood_of_bad_lines_is_answered_line_by_line(connect: Open) -> None:
    wire = await connect()
    wire.send_bytes(b"x\n" * 20_000)
    replies = await wire.read_until_closed()
    assert len(replies) == 20_000
    for reply in replies:
        assert_error_1(reply, b"x")


# what is too large


async def test_a_line_of_64_mib_is_refused_and_never_held(connect: Open, broker: Broker) -> None:
    wire = await connect()
    await sign_up(wire, "publisher")
    piece = b"x" * MIB
    tracemalloc.start()
    try:
        held, _ = tracemalloc.get_traced_memory()
        for _ in range(64):
            wire.send_bytes(piece)
            await wire.writer.drain()
        wire.send_bytes(b"\n" + LIST + b"\n")
        assert_error_1(await wire.read(), "64 MiB")
        assert await wire.read() == NO_TOPICS
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - held < 4 * broker.settings.line_bytes


async def test_a_line_that_never_ends_gets_its_error_when_the_stream_ends(connect: Open) -> None:
    wire = await connect()
    await sign_up(wire, "publisher")
    wire.send_bytes(LIST + b"\n" + b"x" * (2 * MIB))
    first, error = await wire.read_until_closed()
    assert first == NO_TOPICS
    assert_error_1(error, "2 MiB without a newline")


async def test_the_longest_line_is_taken_and_one_byte_more_is_not(narrow: Broker) -> None:
    wire = await Wire.open(narrow.port)
    await sign_up(wire, "publisher", version=2)
    room = narrow.settings.line_bytes - len(b'{"action":"ping","x":""}')
    for size in (room, room + 1, room):
        wire.send_bytes(b'{"action":"ping","x":"' + b"x" * size + b'"}\n')
    assert await wire.read() == SUCCESS
    assert_error_2(await wire.read(), "too_large", "a long line")
    assert await wire.read() == SUCCESS
    await wire.close()


@pytest.mark.parametrize("letter", ["x", "é", "🙂", "\n", "\x01", '"'])
async def test_the_longest_message_is_taken_and_one_letter_more_is_not(
    narrow: Broker, letter: str
) -> None:
    wire = await Wire.open(narrow.port)
    await sign_up(wire, "publisher", version=2)
    await wire.ask("create_topic", topic_name="T")
    taken = (1_000 - len('""')) // (len(json.dumps(letter, ensure_ascii=False).encode()) - 2)
    for count, number in ((taken, 1), (taken + 1, 2), (taken, 3)):
        wire.send("publish_msg", topic_name="T", msg=letter * count, id=number)
    wire.send("publish_many", topic_name="T", msgs=["m", letter * (taken + 1)], id=4)
    wire.send("publish_msg", topic_name="T", msg="m", id=5)
    assert await wire.read() == SUCCESS | {"id": 1, "seq": 1}
    assert_error_2(await wire.read(), "too_large", letter)
    assert await wire.read() == SUCCESS | {"id": 3, "seq": 2}
    assert_error_2(await wire.read(), "too_large", letter)
    assert await wire.read() == SUCCESS | {"id": 5, "seq": 3}
    await wire.close()


async def test_no_delivery_is_longer_than_a_line(narrow: Broker) -> None:
    wire, reader = await Wire.open(narrow.port), await Wire.open(narrow.port)
    await sign_up(wire, "publisher", version=2)
    limits = (await sign_up(reader, "subscriber", version=2))["limits"]
    await wire.ask("create_topic", topic_name="T")
    await reader.ask("subscribe", topic_name="T")
    for _ in range(400):
        wire.send("publish_msg", topic_name="T", msg="x" * 150)
    seq = 0
    while seq < 400:
        line = await reader.read_line()
        assert len(line) <= limits["line_bytes"]
        seq += len(json.loads(line)["messages"])
    await wire.close()
    await reader.close()


# names


@pytest.mark.parametrize("version", [1, 2])
async def test_a_bad_address_or_role_makes_no_account(connect: Open, version: int) -> None:
    wire = await connect()
    bad_emails = [
        "",
        "ann",
        "@",
        "ann@",
        "@example.com",
        "a@b@c",
        "ann smith@example.com",
        "ann@example.com\n",
        "ann@example.com\x00",
        "\u202eann@example.com",
        "a" * EMAIL_LIMIT + "@b",
        "x" * 500_000 + "@b",
    ]
    bad_types = ["", "reader", "publisher ", "\x00", "x" * 500_000]
    for email in bad_emails:
        wire.send("create", user_email=email, user_type="publisher", version=version)
        wire.send("connect", user_email=email, version=version)
    for user_type in bad_types:
        wire.send("create", user_email="ann@example.com", user_type=user_type, version=version)
    expected = ["bad_email"] * 2 * len(bad_emails) + ["bad_user_type"] * len(bad_types)
    for reason in expected:
        reply = await wire.read()
        if version == 1:
            assert_error_1(reply, reason)
        else:
            assert_error_2(reply, reason, reason)
    reply = await wire.ask("create", user_email="ann@example.com", user_type="publisher")
    assert reply == SUCCESS


async def test_a_bad_topic_name_makes_no_topic(connect: Open) -> None:
    wire = await connect()
    await sign_up(wire, "publisher", version=2)
    bad = ["", " ", " T", "T ", "T\n", "a\tb", "\x00", "a\u2028b", "a\u202eb"]
    bad += ["x" * (TOPIC_NAME_LIMIT + 1), "x" * 500_000]
    for name in bad:
        wire.send("create_topic", topic_name=name)
    for name in bad:
        assert_error_2(await wire.read(), "bad_topic_name", name)
    assert (await wire.ask("list_topics"))["topics"] == []
    odd = ["'; DROP TABLE topics; --", "%s %(x)s {0} \\", '"', "注文 🙂", "x" * TOPIC_NAME_LIMIT]
    for name in odd:
        assert (await wire.ask("create_topic", topic_name=name))["action"] == "success"
        assert (await wire.ask("publish_msg", topic_name=name, msg=name))["seq"] == 1
    assert (await wire.ask("list_topics"))["topics"] == odd


@pytest.mark.parametrize("name", ["", "\x00", "T\n", "no such topic", "x" * 500_000])
async def test_a_topic_that_there_is_not_is_not_found(connect: Open, name: str) -> None:
    publisher, subscriber = await connect(), await connect()
    await sign_up(publisher, "publisher", version=2)
    await sign_up(subscriber, "subscriber", version=2)
    asked: list[tuple[Wire, str, dict[str, Any]]] = [
        (publisher, "publish_msg", {"msg": "m"}),
        (publisher, "publish_many", {"msgs": ["m"]}),
        (publisher, "receipts", {"seq": 1}),
        (publisher, "history", {"after": 0}),
        (subscriber, "subscribe", {}),
        (subscriber, "unsubscribe", {}),
        (subscriber, "ack", {"seq": 1}),
    ]
    for wire, action, keys in asked:
        reply = await wire.ask(action, topic_name=name, id=action, **keys)
        assert_error_2(reply, "topic_not_found", action)
        assert reply["id"] == action


async def test_a_bad_producer_leaves_the_session_as_it_was(connect: Open) -> None:
    wire = await connect()
    await sign_up(wire, "publisher", version=2)
    for producer in ("", " p", "a\x00b", "x" * (PRODUCER_LIMIT + 1)):
        reply = await wire.ask(
            "connect", user_email="publisher@example.com", version=2, producer=producer
        )
        assert_error_2(reply, "bad_request", producer)
    assert (await wire.ask("create_topic", topic_name="T"))["action"] == "success"


# requests at the wrong time


async def test_nothing_but_a_sign_in_is_carried_out_before_it(connect: Open) -> None:
    wire = await connect()
    keys = {"topic_name": "T", "msg": "m", "msgs": ["m"], "seq": 1, "after": 0}
    others = [action for action in ACTIONS if action not in ("create", "connect")]
    for action in others:
        wire.send(action, **keys)
    wire.send("create", user_email="a@b", user_type="publisher")
    wire.send("list_topics")
    for action in others:
        reply = await wire.read()
        assert_error_1(reply, action)
        assert action in reply["message"]
    assert await wire.read_many(2) == [SUCCESS, NO_TOPICS]


@pytest.mark.parametrize(
    ("user_type", "actions"),
    [
        ("publisher", ["subscribe", "unsubscribe", "ack", "subscriptions"]),
        ("subscriber", ["create_topic", "publish_msg", "publish_many"]),
    ],
)
async def test_what_the_other_role_may_is_refused(
    connect: Open, user_type: str, actions: list[str]
) -> None:
    wire = await connect()
    await sign_up(wire, user_type, version=2)
    keys = {"topic_name": "T", "msg": "m", "msgs": ["m"], "seq": 1}
    for action in actions:
        wire.send(action, id=action, **keys)
        wire.send("ping", id="next")
    for action in actions:
        reply = await wire.read()
        assert_error_2(reply, "wrong_role", action)
        assert reply["id"] == action
        assert await wire.read() == SUCCESS | {"id": "next"}


async def test_version_1_gets_no_key_of_version_2_whatever_it_asks(connect: Open) -> None:
    wire = await connect()
    await sign_up(wire, "publisher")
    await wire.ask("create_topic", topic_name="T")
    keys = {"topic_name": "T", "msg": "m", "msgs": ["m"], "seq": 1, "after": 0, "id": 7}
    only_2 = ["publish_many", "ack", "receipts", "history", "subscriptions", "ping"]
    for action in only_2:
        assert_error_1(await wire.ask(action, **keys), action)
    assert await wire.ask("publish_msg", **keys) == SUCCESS
    assert await wire.ask("list_topics", **keys) == {"action": "list_topics", "topics": ["T"]}
    assert_error_1(await wire.ask("subscribe", **keys), "subscribe")


@pytest.mark.parametrize("version", [1, 2])
async def test_a_refused_sign_in_leaves_the_session_as_it_was(connect: Open, version: int) -> None:
    wire = await connect()
    await sign_up(wire, "subscriber")
    wire.send("connect", user_email="nobody@example.com", version=version)
    wire.send("create", user_email="subscriber@example.com", user_type="publisher")
    wire.send("connect", user_email="subscriber@example.com", producer="p", version=version)
    wire.send("list_topics")
    replies = await wire.read_many(4)
    assert [reply["action"] for reply in replies[:2]] == ["error", "error"]
    assert replies[2]["action"] == ("success" if version == 1 else "error")
    assert replies[3] == NO_TOPICS


# numbers and messages at their ends


async def test_the_highest_numbers_do_no_harm(connect: Open) -> None:
    publisher, subscriber = await connect(), await connect()
    await sign_up(publisher, "publisher", version=2)
    await publisher.ask("create_topic", topic_name="T")
    await publisher.ask("publish_msg", topic_name="T", msg="m", id=HIGHEST)
    await sign_up(subscriber, "subscriber", version=2)

    after = await publisher.ask("history", topic_name="T", after=HIGHEST, limit=HISTORY_LIMIT)
    before = await publisher.ask("history", topic_name="T", before=HIGHEST, id=-(2**63))
    assert (after["blocks"], len(before["blocks"]), before["id"]) == ([], 1, -(2**63))
    assert (await publisher.ask("history", topic_name="T", before=0))["blocks"] == []
    assert (await publisher.ask("receipts", topic_name="T", seq=HIGHEST))["confirmed"] == 0

    far = await subscriber.ask("subscribe", topic_name="T", from_=HIGHEST, id="x" * ID_LIMIT)
    assert (far["action"], far["id"]) == ("success", "x" * ID_LIMIT)
    reply = await subscriber.ask("ack", topic_name="T", seq=HIGHEST)
    assert_error_2(reply, "bad_request", "ack")
    await publisher.ask("publish_msg", topic_name="T", msg="next")
    assert (await subscriber.read())["messages"] == ["next"]


async def test_a_history_takes_either_after_or_before(connect: Open) -> None:
    wire = await connect()
    await sign_up(wire, "publisher", version=2)
    await wire.ask("create_topic", topic_name="T")
    assert_error_2(await wire.ask("history", topic_name="T"), "bad_request", "neither")
    both = await wire.ask("history", topic_name="T", after=0, before=9)
    assert_error_2(both, "bad_request", "both")


async def test_no_message_smuggles_a_line_to_a_subscriber(connect: Open) -> None:
    messages = [
        "",
        "\n",
        "\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
        '"}\n{"action":"success","code":0}\n{"action":"broadcast","message":"',
        '\\n\\"\\u000a',
        "\x00\x01\x7f\x1b[31m",
        "🙂 注文 é \ufeff\uffff\U0010ffff",
        '{"action":"error","message":"m"}',
    ]
    live, away, publisher = await connect(), await connect(), await connect()
    await sign_up(publisher, "publisher")
    await publisher.ask("create_topic", topic_name="T")
    for wire, email in ((live, "live@example.com"), (away, "away@example.com")):
        await wire.ask("create", user_email=email, user_type="subscriber")
        await wire.ask("subscribe", topic_name="T")
    await away.read_until_closed()
    for message in messages:
        publisher.send("publish_msg", topic_name="T", msg=message)
    assert await publisher.read_many(len(messages)) == [SUCCESS] * len(messages)
    assert await live.read_many(len(messages)) == [
        {"action": "broadcast", "message": message} for message in messages
    ]
    back = await connect()
    assert await back.ask("connect", user_email="away@example.com") == SUCCESS
    assert await back.read_until_closed() == [
        {"action": "unread", "message": message} for message in messages
    ]


async def test_a_client_that_goes_away_in_the_middle_of_a_line_harms_nobody(
    connect: Open,
) -> None:
    wire = await connect()
    await sign_up(wire, "publisher")
    for half in (b'{"action":"create_topic","topic_n', b"x" * 2 * MIB, b"\xff", b"["):
        other = await connect()
        other.send_bytes(half)
        other.writer.transport.abort()
        assert await wire.ask("list_topics") == NO_TOPICS


async def test_bad_lines_before_a_sign_in_are_answered_as_after_it(connect: Open) -> None:
    wire = await connect()
    wire.send_bytes(b"hello\n" + LIST)
    first, second = await wire.read_until_closed()
    assert_error_1(first, b"hello")
    assert_error_1(second, LIST)
