import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET

from protocol.lines import LineTooLong
from protocol.reasons import Reason, RequestRefused
from protocol.requests import (
    ACTIONS,
    HISTORY_LIMIT,
    ID_LIMIT,
    Ack,
    AnyRequest,
    ChangePassword,
    Connect,
    Create,
    CreateTopic,
    DeleteAccount,
    DeleteTopic,
    History,
    ListTopics,
    Ping,
    PublishMany,
    PublishMsg,
    Receipts,
    Subscribe,
    Subscriptions,
    Unsubscribe,
    decode,
    encode,
)

HIGHEST = 2**63 - 1

# Every action with every key it takes, and the request that this is.
COMPLETE: list[tuple[dict[str, Any], AnyRequest]] = [
    (
        {"user_email": "a@b", "user_type": "publisher", "version": 2, "producer": "p", "id": 1}
        | {"password": "secret"},
        Create("a@b", "publisher", 2, "p", 1, "secret"),
    ),
    (
        {"user_email": "a@b", "version": 2, "producer": "p", "deliver": False, "id": "x"}
        | {"password": "secret"},
        Connect("a@b", 2, "p", False, "x", "secret"),
    ),
    (
        {"password": "new", "old_password": "old", "id": 1},
        ChangePassword("new", "old", 1),
    ),
    ({"user_email": "a@b", "id": 1}, DeleteAccount("a@b", 1)),
    ({"topic_name": "T", "id": 1}, CreateTopic("T", 1)),
    ({"topic_name": "T", "id": 1}, DeleteTopic("T", 1)),
    ({"topic_name": "T", "msg": "m", "id": 1}, PublishMsg("T", "m", 1)),
    ({"topic_name": "T", "msgs": ["m", ""], "id": 1}, PublishMany("T", ["m", ""], 1)),
    ({"id": 1}, ListTopics(1)),
    ({"topic_name": "T", "from": "all", "id": 1}, Subscribe("T", "all", 1)),
    ({"topic_name": "T", "id": 1}, Unsubscribe("T", 1)),
    ({"topic_name": "T", "seq": 3, "id": 1}, Ack("T", 3, 1)),
    ({"topic_name": "T", "seq": 3, "id": 1}, Receipts("T", 3, 1)),
    (
        {"topic_name": "T", "after": 1, "before": 9, "limit": 5, "id": 1},
        History("T", 1, 9, 5, 1),
    ),
    ({"id": 1}, Subscriptions(1)),
    ({"id": 1}, Ping(1)),
]
REQUIRED = {
    "create": {"user_email", "user_type"},
    "connect": {"user_email"},
    "change_password": {"password"},
    "delete_account": {"user_email"},
    "create_topic": {"topic_name"},
    "delete_topic": {"topic_name"},
    "publish_msg": {"topic_name", "msg"},
    "publish_many": {"topic_name", "msgs"},
    "list_topics": set(),
    "subscribe": {"topic_name"},
    "unsubscribe": {"topic_name"},
    "ack": {"topic_name", "seq"},
    "receipts": {"topic_name", "seq"},
    "history": {"topic_name"},
    "subscriptions": set(),
    "ping": set(),
}
WRONG: dict[str, list[Any]] = {
    "password": [None, 1, True, 1.5, [], {}],
    "old_password": [None, 1, True, 1.5, [], {}],
    "user_email": [None, 1, True, 1.5, [], {}, ["a@b"]],
    "user_type": [None, 1, True, [], {}],
    "version": [None, 0, 3, -1, "2", 2.0, True, [], {}, 2**64],
    "producer": [None, 1, True, [], {}],
    "deliver": [None, 0, 1, "true", [], {}],
    "topic_name": [None, 1, True, 1.5, [], {}],
    "msg": [None, 1, True, 1.5, [], {"text": "m"}],
    "msgs": [None, 1, "m", [], {}, ["m", 1], [None], [["m"]]],
    "from": [None, 0, -1, 1.5, True, "ALL", "newest", "", [], {}, 2**63],
    "seq": [None, -1, 1.0, "1", True, [], {}, 2**63, 10**400],
    "after": [None, -1, 1.5, "1", True, [], {}, 2**63],
    "before": [None, -1, 1.5, "1", True, [], {}, 2**63],
    "limit": [None, 0, -1, HISTORY_LIMIT + 1, "1", 1.5, True, [], {}],
    "id": [None, 1.5, True, [], {}, 2**63, -(2**63) - 1, 10**400, "x" * (ID_LIMIT + 1)],
}

SPACES = b" \t\r\x0b\x0c"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
complete_lines = st.sampled_from(
    [
        json.dumps({"action": a} | keys).encode()
        for a, (keys, _) in zip(ACTIONS, COMPLETE, strict=True)
    ]
)


def line_of(action: str, keys: dict[str, Any]) -> bytes:
    return json.dumps({"action": action} | keys).encode()


def one(line: bytes | LineTooLong) -> AnyRequest | RequestRefused:
    (found,) = decode([line])
    return found


def refused(line: bytes | LineTooLong) -> RequestRefused:
    found = one(line)
    assert isinstance(found, RequestRefused), f"taken as {found}"
    return found


def complete(action: str) -> dict[str, Any]:
    return dict(COMPLETE[ACTIONS.index(action)][0])


def each_key() -> list[tuple[str, str]]:
    return [(action, key) for action in ACTIONS for key in complete(action)]


def changed(text: bytes, place: int, removed: int, added: bytes) -> bytes:
    place %= len(text) + 1
    return text[:place] + added + text[place + removed :]


# good requests


def test_the_examples_here_have_every_action_and_every_key() -> None:
    assert [type(request) for _, request in COMPLETE] == list(AnyRequest.__args__)
    assert tuple(REQUIRED) == ACTIONS
    for keys, request in COMPLETE:
        assert set(keys) == set(request.__struct_encode_fields__)
        assert set(keys) <= WRONG.keys()


@pytest.mark.parametrize(("keys", "request_"), COMPLETE)
def test_a_complete_request_is_taken_and_written_as_it_is(
    keys: dict[str, Any], request_: AnyRequest
) -> None:
    action = str(request_.__struct_config__.tag)
    assert one(line_of(action, keys)) == request_
    assert one(encode(request_)[:-1]) == request_
    assert encode(request_).count(b"\n") == 1


@pytest.mark.parametrize("action", ACTIONS)
def test_a_request_needs_nothing_but_its_required_keys(action: str) -> None:
    keys = {key: value for key, value in complete(action).items() if key in REQUIRED[action]}
    found = one(line_of(action, keys))
    assert not isinstance(found, RequestRefused)
    assert found.id is UNSET


def test_what_is_left_out_has_its_default() -> None:
    assert one(b'{"action":"connect","user_email":"a@b"}') == Connect("a@b", 1, UNSET, True, UNSET)
    assert one(b'{"action":"history","topic_name":"T"}') == History("T", UNSET, UNSET, 100, UNSET)
    assert one(b'{"action":"subscribe","topic_name":"T"}') == Subscribe("T", UNSET, UNSET)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "unknown", ['"x":1', '"":null', '"secret":{"a":[[[]]]}', '"Action":"x"', '"code":1e999']
)
def test_unknown_keys_are_ignored(action: str, unknown: str) -> None:
    line = line_of(action, complete(action))
    with_key = b"{" + unknown.encode() + b"," + line[1:]
    assert one(with_key) == one(line)


@given(complete_lines, st.sampled_from(["z", "a.b", "\n", "é"]), json_values)
def test_any_value_of_an_unknown_key_is_ignored(line: bytes, key: str, value: Any) -> None:
    try:
        added = json.dumps({key: value}, allow_nan=False)
    except ValueError:
        return
    assert one(line[:-1] + b"," + added[1:].encode()) == one(line)


def test_the_newest_of_two_equal_keys_counts() -> None:
    line = b'{"action":"ack","topic_name":"T","seq":1,"id":1,"seq":2,"id":2}'
    assert one(line) == Ack("T", 2, 2)


def test_two_actions_in_one_object_are_refused() -> None:
    assert refused(b'{"action":"ping","action":"list_topics"}').reason is Reason.BAD_REQUEST


def test_escapes_mean_what_they_stand_for() -> None:
    line = rb'{"\u0061ction":"publish_msg","topic_name":"\u0054","msg":"\ud83d\ude42\u0000\n\/"}'
    assert one(line) == PublishMsg("T", "🙂\x00\n/")


def test_the_same_text_in_utf_8_and_in_escapes_is_the_same_request() -> None:
    keys = {"topic_name": "Größe", "msg": "🙂\u2028"}
    plain = json.dumps({"action": "publish_msg"} | keys, ensure_ascii=False).encode()
    assert one(plain) == one(line_of("publish_msg", keys)) == PublishMsg("Größe", "🙂\u2028")


def test_white_space_around_and_inside_an_object_is_nothing() -> None:
    assert one(b' \t{ "action" :\t"ping" , "id" : 1 } \r') == Ping(1)


@given(st.integers(-(2**63), HIGHEST) | st.text(max_size=ID_LIMIT))
def test_an_id_is_read_as_it_was_sent(request_id: int | str) -> None:
    assert one(line_of("ping", {"id": request_id})) == Ping(request_id)


# several lines


@pytest.mark.parametrize("blank", [b"", b"\r", b" ", b"\t\r", SPACES])
def test_blank_lines_ask_for_nothing(blank: bytes) -> None:
    ping = b'{"action":"ping"}'
    assert decode([blank]) == []
    assert decode([blank, ping, blank, blank, ping, blank]) == [Ping(), Ping()]


def test_no_lines_ask_for_nothing() -> None:
    assert decode([]) == []


def test_a_bad_line_is_refused_in_its_place_and_its_neighbours_are_taken() -> None:
    good = [b'{"action":"ping","id":%d}' % number for number in range(4)]
    bad: list[bytes | LineTooLong] = [
        b"hello",
        LineTooLong(9),
        b"\xff",
        b'{"action":"x"}',
        b"[" * 9_999,
    ]
    for one_bad in bad:
        found = decode([good[0], good[1], one_bad, b"", good[2], one_bad, good[3]])
        assert [
            "refused" if isinstance(request, RequestRefused) else request for request in found
        ] == [Ping(0), Ping(1), "refused", Ping(2), "refused", Ping(3)]


# refused requests


@pytest.mark.parametrize(("action", "key"), each_key())
def test_a_wrong_value_is_refused_and_the_text_names_its_key(action: str, key: str) -> None:
    for wrong in WRONG[key]:
        error = refused(line_of(action, complete(action) | {key: wrong}))
        assert error.reason is Reason.BAD_REQUEST
        assert error.text.startswith((f"{action}: ", "not a request: "))
        assert f"`{key}" in error.text


@pytest.mark.parametrize(("action", "key"), each_key())
def test_a_required_key_that_is_missing_is_refused(action: str, key: str) -> None:
    keys = complete(action)
    del keys[key]
    if key in REQUIRED[action]:
        error = refused(line_of(action, keys))
        assert error.reason is Reason.BAD_REQUEST
        assert error.text == f"{action}: Object missing required field `{key}`"
    else:
        assert not isinstance(one(line_of(action, keys)), RequestRefused)


@pytest.mark.parametrize("action", [action for action in ACTIONS if REQUIRED[action]])
@pytest.mark.parametrize("request_id", [0, 7, -1, HIGHEST, "", "seven", "\n"])
def test_a_refused_request_keeps_its_id(action: str, request_id: int | str) -> None:
    unknown: dict[str, Any] = {"x": [{}]}
    for keys in ({"id": request_id} | unknown, unknown | {"id": request_id}):
        assert refused(line_of(action, keys)).id == request_id
        assert refused(line_of("no such action", keys)).id == request_id


@pytest.mark.parametrize("request_id", WRONG["id"])
def test_what_is_no_id_is_not_echoed(request_id: Any) -> None:
    assert refused(line_of("ping", {"id": request_id})).id is UNSET
    assert refused(line_of("no such action", {"id": request_id})).id is UNSET


@pytest.mark.parametrize("action", ["", "publish", "PING", "ping ", "x" * 10_000, "\n", "Größe"])
def test_an_unknown_action_is_told_which_there_are(action: str) -> None:
    error = refused(line_of(action, {"id": 1}))
    assert error.reason is Reason.UNKNOWN_ACTION
    assert all(known in error.text for known in ACTIONS)
    assert len(error.text) < 400
    assert error.text.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"GET / HTTP/1.1\r",
        b"null",
        b"true",
        b"1",
        b'"ping"',
        b"[]",
        b'[{"action":"ping"}]',
        b"{}",
        b'{"id":1}',
        b'{"action":null}',
        b'{"action":1}',
        b'{"action":["ping"]}',
        b'{"ACTION":"ping"}',
        b"{'action':'ping'}",
        b'{action:"ping"}',
        b'{"action":"ping"',
        b'{"action":"ping",}',
        b'{"action":"ping"}}',
        b'{"action":"ping"}{"action":"ping"}',
        b'{"action":"ping"} {"action":"ping"}',
        b'{"action":"ping"},',
        b'{"action":"ping"}\x00',
        b"\x00",
        b"\xef\xbb\xbf" + b'{"action":"ping"}',
        '{"action":"ping"}'.encode("utf-16"),
        b'{"action":"\xff"}',
        b'{"action":"publish_msg","topic_name":"T","msg":"\xff"}',
        b'{"action":"publish_msg","topic_name":"T","msg":"\xed\xa0\x80"}',
        b'{"action":"publish_msg","topic_name":"T","msg":"\xc0\x80"}',
        b'{"action":"publish_msg","topic_name":"T","msg":"\xe2\x82"}',
        rb'{"action":"publish_msg","topic_name":"T","msg":"\ud800"}',
        rb'{"action":"publish_msg","topic_name":"T","msg":"\ud800 and more"}',
        rb'{"action":"publish_msg","topic_name":"T","msg":"\udc00"}',
        rb'{"action":"publish_msg","topic_name":"T","msg":"\ud800\ud800"}',
        b'{"action":"publish_msg","topic_name":"T","msg":"a\x00b"}',
        b'{"action":"publish_msg","topic_name":"T","msg":"a\tb"}',
        rb'{"action":"publish_msg","topic_name":"T","msg":"\x41"}',
        rb'{"action":"ping","id":"\ud800"}',
        b'{"action":"ping","id":NaN}',
        b'{"action":"ping","id":01}',
        b'{"action":"ping","id":1e400}',
        b'{"action":"ping","id":' + b"9" * 5_000 + b"}",
        b'{"action":"ack","topic_name":"T","seq":-' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"action":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"action":"ping","id":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"action":"ping","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"action":"ping","x":' + b'{"x":' * 100_000,
        b'{"action":"publish_many","topic_name":"T","msgs":' + b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:60]),
)
def test_what_is_no_request_is_refused_in_one_sentence(line: bytes) -> None:
    error = refused(line)
    assert error.reason is Reason.BAD_REQUEST
    assert 0 < len(error.text) < 200
    assert error.text.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        rb'{"action":"\n%s","id":"\ud800"}',
        rb'{"action":"subscribe","topic_name":"T","from":"\n%s"}',
        rb'{"action":"subscribe","topic_name":"T","from":"%s - at `$.x`"}',
        rb'{"action":"ping","action":"%s"}',
        rb'{"action":"ping","%s":\u0000}',
    ],
)
def test_a_refusal_quotes_only_the_beginning_of_what_was_sent(line: bytes) -> None:
    error = refused(line % (b"x" * 100_000))
    assert len(error.text) < 400
    assert error.text.isprintable()


def test_a_line_over_the_limit_is_too_large() -> None:
    error = refused(LineTooLong(1_000))
    assert error.reason is Reason.TOO_LARGE
    assert "1000 bytes" in error.text
    assert error.id is UNSET


# anything at all


def check(lines: list[bytes]) -> None:
    """Each line that is not blank makes one request or one refusal, whatever its neighbours."""
    alone = [found for line in lines for found in decode([line])]
    for line in lines:
        assert len(decode([line])) == (1 if line.strip() else 0)
    together = decode(lines)
    assert [told(found) for found in together] == [told(found) for found in alone]


def told(found: AnyRequest | RequestRefused) -> object:
    if not isinstance(found, RequestRefused):
        return found
    assert 0 < len(found.text) < 500
    assert found.text.isprintable()
    return found.reason, found.text, found.id


@given(st.lists(st.binary(max_size=80)))
@example([b"", SPACES, b"\x85", b"\x1c", b"\xa0"])
def test_any_bytes_make_one_request_or_one_refusal(lines: list[bytes]) -> None:
    check(lines)


@given(
    st.lists(
        st.builds(
            changed,
            complete_lines,
            st.integers(0, 200),
            st.integers(0, 3),
            st.binary(max_size=3)
            | st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b",", b":", b"\\ud800", b"\x00"]),
        ),
        max_size=4,
    )
)
def test_any_change_to_a_good_request_makes_one_request_or_one_refusal(lines: list[bytes]) -> None:
    check(lines)


@given(st.sampled_from(ACTIONS), st.data())
def test_any_values_under_the_right_keys_make_one_request_or_one_refusal(
    action: str, data: st.DataObject
) -> None:
    keys = {key: data.draw(json_values) for key in complete(action)}
    check([line_of(action, keys)])


@given(st.dictionaries(st.sampled_from(["action", "id", "x"]) | st.text(), json_values))
def test_any_object_makes_one_request_or_one_refusal(keys: dict[str, Any]) -> None:
    check([json.dumps(keys).encode()])


@given(st.sampled_from([b"[", b'{"a":', b'{"action":', b"[{}, "]), st.integers(1, 3_000))
def test_any_depth_makes_one_refusal(opening: bytes, depth: int) -> None:
    nested = opening * depth
    for line in (nested, nested + b'"ping"', b'{"action":"ping","x":' + nested + b"1}"):
        assert isinstance(one(line), RequestRefused)
