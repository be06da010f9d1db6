"""Strangers' text on a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from app.text import harmless, in_cells


@given(st.text())
def test_nothing_that_drives_a_terminal_comes_through(text: str) -> None:
    shown = harmless(text)
    assert not any(unicodedata.category(one) in {"Cc", "Cs"} and one != "\t" for one in shown)
    assert not set(shown) & set(
        "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_what_is_taken_out_can_still_be_read() -> None:
    assert harmless("a\x1b[2Jb\nc\u202ed") == "a\\x1b[2Jb\\nc\\u202ed"


def test_on_a_screen_nothing_drives_turns_hides_or_cannot_be_written() -> None:
    every = "a".join(map(chr, range(0x110000)))
    kinds = {unicodedata.category(character) for character in set(in_cells(every))}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_on_a_screen_each_control_character_is_one_symbol() -> None:
    assert in_cells("a\tb\nc\x00d\x7fe\x9bf\u202eg\u200bh\ud800") == "a␉b␊c␀d␡e�f�g�h�"


def test_ordinary_text_is_shown_as_it_is() -> None:
    for text in ("plain", '{"a": [1, 2]}', "naïve Ωμέγα", "日本語", "e\u0301", "🎉 ┃ …"):
        assert in_cells(text) == text


@given(st.text())
def test_on_a_screen_every_part_takes_the_cells_it_takes_alone(text: str) -> None:
    shown = in_cells(text)
    assert cell_len(shown) == sum(cell_len(character) for character in shown)


def test_emoji_lose_what_makes_their_width_uncertain() -> None:
    assert in_cells("❤\ufe0f 👍\U0001f3fd 👨\u200d👩\u200d👧") == "❤ 👍 👨👩👧"


def test_a_pile_of_combining_marks_is_cut() -> None:
    assert in_cells("z" + "\u0335" * 500 + "!") == "z\u0335\u0335!"
