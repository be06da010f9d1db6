"""Strangers' text on a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from app.text import harmless


@given(st.text())
def test_nothing_that_drives_a_terminal_comes_through(text: str) -> None:
    shown = harmless(text)
    assert not any(unicodedata.category(one) == "Cc" and one != "\t" for one in shown)
    assert not set(shown) & set(
        "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_what_is_taken_out_can_still_be_read() -> None:
    assert harmless("a\x1b[2Jb\nc\u202ed") == "a\\x1b[2Jb\\nc\\u202ed"
