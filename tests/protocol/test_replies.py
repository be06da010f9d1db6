import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from protocol import incoming
from protocol.reasons import Reason, RequestRefused
from protocol.replies import (
    Error,
    HistoryPage,
    Limits,
    Published,
    ReceiptCount,
    Reply,
    RequestId,
    SignedIn,
    SubscriptionList,
    SubscriptionState,
    Success,
    Topics,
    TopicState,
    published_lines,
    refusal,
)

NOON = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
STATE = SubscriptionState("ORDERS", cursor=3, head=5, unread=2)
TOPIC = TopicState("ORDERS", 5, NOON, None, 1, True, 1, 2)

# Every kind of reply with all it can say, and the keys of its line in each version.
REPLIES: list[tuple[Reply, set[str], set[str]]] = [
    (Success(), {"action", "code"}, {"action", "code"}),
    (Published(seq=7), {"action", "code"}, {"action", "code", "seq"}),
    (Published(duplicate=True), {"action", "code"}, {"action", "code", "duplicate"}),
    (
        SignedIn(
            user_email="a@b",
            user_type="publisher",
            subscriptions=[STATE],
            limits=Limits(100, 50),
            last_id=9,
        ),
        {"action", "code"},
        {"action", "code", "user_email", "user_type", "subscriptions", "limits", "last_id"},
    ),
    (
        Topics(topics=["ORDERS"], details=[TOPIC]),
        {"action", "topics"},
        {"action", "topics", "details"},
    ),
    (
        SubscriptionList(subscriptions=[STATE]),
        {"action", "code"},
        {"action", "subscriptions"},
    ),
    (
        ReceiptCount(topic_name="ORDERS", seq=5, confirmed=1, subscriptions=2),
        {"action", "code"},
        {"action", "topic_name", "seq", "confirmed", "subscriptions"},
    ),
    (
        HistoryPage(topic_name="ORDERS", head=5, blocks=[Raw(b"{}")]),
        {"action", "code"},
        {"action", "topic_name", "head", "blocks"},
    ),
    (
        Error(message="no", reason="bad_request"),
        {"action", "message"},
        {"action", "message", "reason"},
    ),
]


def kinds(of: type[Reply] = Reply) -> set[type[Reply]]:
    return {kind for one in of.__subclasses__() for kind in {one} | kinds(one)}


def say(reply: Reply, version: int) -> dict[str, Any]:
    line = reply.line(version)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


def test_no_kind_of_reply_is_forgotten_here() -> None:
    assert {type(reply) for reply, _, _ in REPLIES} == kinds()


@pytest.mark.parametrize(("reply", "keys_1", "keys_2"), REPLIES)
@pytest.mark.parametrize("request_id", [UNSET, 7, "seven"])
def test_a_line_has_exactly_the_documented_keys(
    reply: Reply, keys_1: set[str], keys_2: set[str], request_id: RequestId
) -> None:
    reply.id = request_id
    try:
        assert say(reply, 1).keys() == keys_1
        assert say(reply, 2).keys() == (keys_2 if request_id is UNSET else keys_2 | {"id"})
    finally:
        reply.id = UNSET


@pytest.mark.parametrize("reply", [reply for reply, _, _ in REPLIES])
def test_version_1_says_one_of_three_lines(reply: Reply) -> None:
    documented: list[dict[str, Any]] = [
        {"action": "success", "code": 0},
        {"action": "error", "message": "no"},
        {"action": "list_topics", "topics": ["ORDERS"]},
    ]
    assert say(reply, 1) in documented


@given(st.integers(-(2**63), 2**63 - 1) | st.text(max_size=200))
def test_an_id_comes_back_as_it_was(request_id: int | str) -> None:
    for reply in (Success(id=request_id), Error(id=request_id, message="no", reason="x")):
        assert say(reply, 2)["id"] == request_id
        assert "id" not in say(reply, 1)


@given(st.text())
def test_whatever_an_error_quotes_it_stays_one_line(text: str) -> None:
    error = refusal(RequestRefused(Reason.BAD_EMAIL, text))
    assert say(error, 1) == {"action": "error", "message": text}
    assert say(error, 2) == {"action": "error", "message": text, "reason": "bad_email"}


def test_a_refusal_has_the_id_of_its_request() -> None:
    refused = RequestRefused(Reason.BAD_REQUEST, "no")
    assert refusal(refused).id is UNSET
    assert refusal(refused, "asked").id == "asked"
    refused.id = 7
    assert refusal(refused).id == 7


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_one_word_in_lower_case(reason: Reason) -> None:
    assert reason.value == reason.name.lower()
    assert say(refusal(RequestRefused(reason, "no")), 2)["reason"] == reason.value


def test_the_reasons_are_the_same_in_every_release() -> None:
    assert {reason.value for reason in Reason} >= {
        "bad_request",
        "unknown_action",
        "version_needed",
        "too_large",
        "bad_email",
        "bad_user_type",
        "bad_topic_name",
        "not_signed_in",
        "wrong_role",
        "account_exists",
        "account_not_found",
        "topic_exists",
        "topic_not_found",
        "not_subscribed",
        "taken_over",
        "low_disk",
        "store_unavailable",
        "stopping",
    }


@given(st.lists(st.just(UNSET) | st.integers(0, 99) | st.text(max_size=5)), st.integers(1, 99))
def test_publishes_are_answered_in_order_with_rising_seqs(ids: list[RequestId], seq: int) -> None:
    lines = published_lines(ids, range(seq, seq + len(ids))).splitlines(keepends=True)
    alone = [Published(request_id, 0, seq + place) for place, request_id in enumerate(ids)]
    assert lines == [reply.line(2) for reply in alone]


@pytest.mark.parametrize("reply", [reply for reply, _, _ in REPLIES])
def test_a_version_2_client_can_read_every_reply(reply: Reply) -> None:
    if isinstance(reply, HistoryPage):
        reply = HistoryPage(topic_name="ORDERS", head=5, blocks=[])
    read = incoming.decode(reply.line(2))
    for name in reply.__struct_fields__:
        if name != "code" and getattr(reply, name) is not UNSET:
            assert getattr(read, name) == getattr(reply, name)
