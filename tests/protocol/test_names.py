from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import names
from protocol.names import EMAIL_LIMIT, PRODUCER_LIMIT, TOPIC_NAME_LIMIT, Role
from protocol.reasons import Reason, RequestRefused

Rule = Callable[[str], str]

RULES = [names.email, names.topic_name, names.producer]


def refused(rule: Callable[[str], object], text: str) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        rule(text)
    return caught.value


@pytest.mark.parametrize(
    ("user_type", "role"),
    [
        ("publisher", Role.PUBLISHER),
        ("PUBLISHER", Role.PUBLISHER),
        ("Subscriber", Role.SUBSCRIBER),
        ("sUbScRiBeR", Role.SUBSCRIBER),
    ],
)
def test_a_role_is_named_in_any_case(user_type: str, role: Role) -> None:
    assert names.role(user_type) is role


@pytest.mark.parametrize("user_type", ["", "reader", " publisher", "publisher\n", "publishers"])
def test_another_user_type_is_refused(user_type: str) -> None:
    assert refused(names.role, user_type).reason is Reason.BAD_USER_TYPE


@pytest.mark.parametrize(
    "text",
    ["a@b", "orders@example.com", "first.last+tag@sub.example.com", "grüße@müller.example", "'@'"],
)
def test_an_address_is_taken_as_it_is(text: str) -> None:
    assert names.email(text) == text


def test_addresses_that_differ_in_case_are_one_account() -> None:
    assert names.email("Ann@Example.COM") == names.email("ann@example.com") == "ann@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ann",
        "ann@",
        "@example.com",
        "ann@example@com",
        "ann smith@example.com",
        " ann@example.com",
        "ann@example.com\n",
        "ann\x00@example.com",
        "ann\u202e@example.com",
        "ann\u2028@example.com",
        "a" * (EMAIL_LIMIT - 1) + "@b",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert refused(names.email, text).reason is Reason.BAD_EMAIL


def test_the_longest_address_is_taken() -> None:
    longest = "a" * (EMAIL_LIMIT - 2) + "@b"
    assert names.email(longest) == longest


@given(st.text())
def test_an_address_that_was_taken_is_taken_again_as_the_same(text: str) -> None:
    for address in (text, f"{text}@{text}"):
        try:
            kept = names.email(address)
        except RequestRefused:
            continue
        assert names.email(kept) == kept == kept.lower()


@pytest.mark.parametrize(
    ("rule", "limit", "reason"),
    [
        (names.topic_name, TOPIC_NAME_LIMIT, Reason.BAD_TOPIC_NAME),
        (names.producer, PRODUCER_LIMIT, Reason.BAD_REQUEST),
    ],
)
class TestPrintableNames:
    def test_printable_names_are_taken_as_they_are(
        self, rule: Rule, limit: int, reason: Reason
    ) -> None:
        for text in ("T", "orders 2026", "Größe", "注文", "🙂", "a/b\\c\"d'", "x" * limit):
            assert rule(text) == text

    def test_others_are_refused(self, rule: Rule, limit: int, reason: Reason) -> None:
        for text in ("", " ", " T", "T ", "T\n", "a\tb", "a\x00b", "a\x7fb", "a\u2028b"):
            assert refused(rule, text).reason is reason
        for text in ("a\u200bb", "a\u202eb", "a\xa0b", "\ufeffa", "x" * (limit + 1)):
            assert refused(rule, text).reason is reason


def test_topics_are_told_apart_by_case() -> None:
    assert names.topic_name("ORDERS") != names.topic_name("orders")


@given(st.sampled_from([*RULES, names.role]), st.text())
def test_any_text_is_taken_or_refused_in_one_short_printable_line(rule: Rule, text: str) -> None:
    told = ""
    try:
        rule(text)
    except RequestRefused as error:
        told = error.text
    assert told.isprintable()
    assert len(told) < 900


@pytest.mark.parametrize("rule", RULES)
def test_a_refusal_quotes_only_the_beginning_of_a_giant_name(rule: Rule) -> None:
    text = refused(rule, "\n" * 1_000_000).text
    assert "\\n" in text
    assert len(text) < 400
