"""Regular expressions that cannot stop the program."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feed.pattern import LONGEST_TEXT, UnusablePattern, compile_pattern

USEFUL = [
    "ord.*paid", r"\d{3,}", "(paid|new)", r'state":"(paid|new)"', "^ship", "error.*user.*timeout",
    r"\bfoo\b", "(foo|bar)+", "(?:ab)*", "[a-f0-9]{8}-[a-f0-9]{4}", "(?i)Paid", r"(a)\1", "a*+b",
    "(?>a+)b", "(?=x)x", "(a|b)*c", "a{2,5}", "", "(?:a|bc)?d",
]  # fmt: skip
ENDLESS = [
    "(a+)+b", r"(\w+\s)*x", "(a|a)*b", "(a|ab)*c", "(a?){20}b", "(.*)*", "(|a)*b", "((ab)*)*",
    "a?" * 30 + "a" * 30, "a.*b.*c.*d.*e", "(a{0,9}){0,9}b", "(?:a*b?)*c", r"(.*)\1\1\1\1",
]  # fmt: skip


@pytest.mark.parametrize("source", USEFUL)
def test_what_people_type_is_taken(source: str) -> None:
    pattern = compile_pattern(source, ignore_case=False)
    for text in ("order 7 paid", "foobar", "aac", "xx", ""):
        assert pattern.found_in(text) == (re.search(source, text) is not None)


@pytest.mark.parametrize("source", ENDLESS)
def test_what_could_take_for_ever_is_refused_in_one_sentence(source: str) -> None:
    with pytest.raises(UnusablePattern, match=r"^the regex could take [^.]*$"):
        compile_pattern(source, ignore_case=False)


@pytest.mark.parametrize("source", ["(", "[a", "a**", "(?P<n>a)(?P<n>b)", "\\", "a{99999999999}"])
def test_what_is_no_regex_is_refused_in_one_sentence(source: str) -> None:
    with pytest.raises(UnusablePattern, match=r"^the regex is not complete or not right: .*$"):
        compile_pattern(source, ignore_case=False)


def test_more_repeats_search_less_of_a_text() -> None:
    sources = ("order", "o.*r", "o.*d.*r")
    searched = [compile_pattern(source, ignore_case=True).searched for source in sources]
    assert searched == [LONGEST_TEXT, 6323, 491]


@given(st.text("ab.|()*+?{}2,[]^\\w", max_size=12), st.text("ab", max_size=60))
def test_whatever_is_typed_either_answers_or_is_refused(source: str, text: str) -> None:
    try:
        pattern = compile_pattern(source, ignore_case=True)
    except UnusablePattern:
        return
    pattern.found_in(text * 50)
    assert all(start < end for start, end in pattern.spans(text * 50))


def test_a_doubtful_way_of_writing_warns_nobody() -> None:
    assert compile_pattern("[[a]", ignore_case=False).found_in("[")
