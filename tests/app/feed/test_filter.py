"""The filter language."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feed.filter import FilterError, parse
from app.feed.pattern import LONGEST_TEXT
from app.feed.rows import MessageRow
from tests.app.feed.host import row

PAID = row(9813, '{"order":8,"state":"Paid","lines":[{"sku":"A-17"},{"sku":"B"}],"ok":true}')
NEW = row(9812, '{"order":{"id":12,"state":"new"},"note":null,"total":12.50}')
PLAIN = row(7, "shipment delayed, level=warn", publisher="Eve@example.com", topic="ops")
EVERY = [PAID, NEW, PLAIN]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", EVERY),
        ("   ", EVERY),
        ("paid", [PAID]),
        ("Paid", [PAID]),
        ("PAID", []),
        ("order state", [PAID, NEW]),
        ('"shipment delayed"', [PLAIN]),
        ('"delayed shipment"', []),
        ("from:eve", [PLAIN]),
        ("from:Eve", [PLAIN]),
        ("from:EVE", []),
        ("from:bob", [PAID, NEW]),
        ("topic:ops", [PLAIN]),
        ("topic:order", [PAID, NEW]),
        ("seq:7", [PLAIN]),
        ("seq:9812-", [PAID, NEW]),
        ("seq:1-9812", [NEW, PLAIN]),
        ("seq:-100", [PLAIN]),
        ("state=paid", [PAID]),
        ("state=Paid", [PAID]),
        ("state=PAID", []),
        ("order.state=new", [NEW]),
        ("order.id=12", [NEW]),
        ("total=12.5", [NEW]),
        ("order=8", [PAID]),
        ("ok=true", [PAID]),
        ("note=null", [NEW]),
        ("lines.sku=B", [PAID]),
        ("level=warn", [PLAIN]),
        ("level=war", [PLAIN]),
        ("state=pai", []),
        ("re:ship.*delay", [PLAIN]),
        ("/re:ship.*delay", [PLAIN]),
        ("re:^ship", [PLAIN]),
        (r"re:\d\d", [NEW, PAID]),
        ("re:shipment delayed", [PLAIN]),
        ("from:bob re:new|paid", [PAID, NEW]),
        ("seq:9813 paid", [PAID]),
        ("seq:9812 paid", []),
        ('"state":"paid"', [PAID]),
        ("http://x", []),
    ],
)
def test_each_way_of_asking_finds_what_it_says(text: str, found: list[MessageRow]) -> None:
    matches = parse(text).matches
    assert [one for one in EVERY if matches(one)] == [one for one in EVERY if one in found]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("re:(", "regex is not complete"),
        ("re:(a+)+b", "could take for ever"),
        ("re:", "needs something after the colon"),
        ("from:", "needs something after the colon"),
        ("seq:x", "takes a number or a range"),
        ("seq:-", "takes a number or a range"),
        ("seq:1-2-3", "takes a number or a range"),
    ],
)
def test_what_is_no_filter_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FilterError, match=sentence) as refused:
        parse(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("paid", ["paid"]),
        ("order", ["order", "Order"]),
        ("Order", ["Order"]),
        ("state=paid", ['"state": "paid"']),
        ("re:o[r]d", ["ord", "Ord"]),
        ("from:bob", []),
        ("seq:1-", []),
        ("paid pai ai", ["paid"]),
        ("order rder,", ["order", "Order,"]),
        ("", []),
    ],
)
def test_what_matched_is_marked(text: str, marked: list[str]) -> None:
    shown = '{"order": 1, "state": "paid", "x": "Order, 2"}'
    assert [shown[start:end] for start, end in parse(text).spans(shown)] == marked


def test_a_filter_tells_how_much_of_a_text_its_regex_searches() -> None:
    assert parse("paid from:bob").searched == LONGEST_TEXT
    text = "x" * 7000 + "ab"
    assert not parse("re:a.*b").matches(row(1, text))
    assert parse("re:a.*b").searched < 7000


def test_json_that_hides_a_name_behind_escapes_is_still_found() -> None:
    assert parse("state=paid").matches(row(1, '{"st\\u0061te":"paid"}'))


def test_hostile_json_is_only_text() -> None:
    for text in ("[" * 100_000, '{"state":', '{"state":"\ud800paid"}', '{"state":1e999}'):
        assert not parse("state=paid").matches(row(1, text))


@given(st.text(max_size=30), st.text(max_size=60))
def test_whatever_is_typed_is_a_filter_or_refused(typed: str, text: str) -> None:
    try:
        found = parse(typed)
    except FilterError:
        return
    found.matches(row(1, text))
    spans = found.spans(text)
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] < other[0] for one, other in pairwise(spans))
