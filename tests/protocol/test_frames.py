import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.frames import (
    Delivery,
    block_object,
    encode_bodies,
    line_v2,
    lines_v1,
    split_bodies,
)
from protocol.incoming import Broadcast, Unread, decode

NOON = datetime(2026, 5, 4, 12, 30, 0, 123456, UTC)
SMUGGLING = [
    "\n",
    '"}\n{"action":"success","code":0}\n{"x":"',
    "\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
    '\\n"\\u000a',
    "\x00\x7f",
    '","publishers":["x',
    "🙂 注文 é",
    "",
]

texts = st.lists(st.text(), min_size=1)
actions = st.sampled_from(Delivery)


@given(texts)
@example(SMUGGLING)
def test_each_body_is_its_message_on_a_line_of_its_own(messages: list[str]) -> None:
    bodies = encode_bodies(messages)
    assert bodies.count(b"\n") == len(messages)
    assert bodies.endswith(b"\n")
    assert [json.loads(body) for body in bodies.split(b"\n")[:-1]] == messages


@given(texts)
@example(SMUGGLING)
def test_bodies_split_into_what_they_were_made_of(messages: list[str]) -> None:
    pieces = split_bodies(encode_bodies(messages))
    assert pieces == [encode_bodies([message]) for message in messages]


@given(actions, texts)
@example(Delivery.BROADCAST, SMUGGLING)
def test_version_1_has_one_line_for_each_message(action: Delivery, messages: list[str]) -> None:
    *lines, rest = lines_v1(action, encode_bodies(messages)).split(b"\n")
    assert rest == b""
    assert [json.loads(line) for line in lines] == [
        {"action": action.value, "message": message} for message in messages
    ]


@given(actions, st.text(min_size=1), st.integers(1, 2**63 - 1), texts, texts)
@example(Delivery.UNREAD, SMUGGLING[1], 1, SMUGGLING, SMUGGLING)
def test_version_2_has_the_block_in_one_line(
    action: Delivery, topic: str, seq: int, messages: list[str], publishers: list[str]
) -> None:
    line = line_v2(action, topic, seq, encode_bodies(messages), publishers, NOON)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "action": action.value,
        "topic_name": topic,
        "seq": seq,
        "messages": messages,
        "publishers": publishers,
        "published_at": "2026-05-04T12:30:00.123456Z",
    }


@given(actions, texts, st.datetimes(timezones=st.just(UTC)))
@example(Delivery.BROADCAST, SMUGGLING, NOON)
def test_a_version_2_line_is_read_back_as_the_same_messages(
    action: Delivery, messages: list[str], at: datetime
) -> None:
    block = decode(line_v2(action, "ORDERS", 7, encode_bodies(messages), ["a@b"], at))
    assert isinstance(block, Unread if action is Delivery.UNREAD else Broadcast)
    assert (block.topic_name, block.seq, block.messages) == ("ORDERS", 7, messages)
    assert (block.publishers, block.published_at) == (["a@b"], at)


@given(texts)
def test_a_block_of_history_says_what_its_delivery_says(messages: list[str]) -> None:
    bodies = encode_bodies(messages)
    delivered = json.loads(line_v2(Delivery.UNREAD, "ORDERS", 7, bodies, ["a@b"], NOON))
    del delivered["action"]
    assert json.loads(block_object("ORDERS", 7, bodies, ["a@b"], NOON)) == delivered


def test_times_are_told_in_utc_wherever_they_were_taken() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    line = line_v2(Delivery.UNREAD, "T", 1, encode_bodies(["m"]), ["a@b"], there)
    assert json.loads(line)["published_at"] == "2026-05-04T12:30:00.123456Z"


def test_a_text_that_is_not_unicode_is_refused_before_it_is_bytes() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_bodies(["fine", "\ud800"])
