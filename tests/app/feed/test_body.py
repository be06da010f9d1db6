"""A message's text as lines to read."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from app.feed.body import LONGEST_BODY, Body, body_of, pieces


def test_json_is_pretty_or_as_it_came() -> None:
    text = '{"a":1.000000000000000000001,"a":[true,"\\u00e9"]}'
    pretty = ("{", '  "a": 1.000000000000000000001,', '  "a": [', "    true,", '    "\\u00e9"')
    assert body_of(text, pretty=True).lines == (*pretty, "  ]", "}")
    assert body_of(text, pretty=False) == Body((text,), is_json=True, is_pretty=False)


def test_what_is_no_json_is_text() -> None:
    for text in ("plain", "12", '"word"', "{broken", "[1,]", "", "[" * 100_000, '["\ud800"]'):
        body = body_of(text, pretty=True)
        assert (body.is_json, body.is_pretty, len(body.lines)) == (False, False, 1)


def test_lines_and_tabs_of_a_text_are_kept_and_the_rest_is_symbols() -> None:
    assert body_of("a\tb\r\n\x1b[31m\n", pretty=True).lines == ("a   b", "␛[31m", "")


def test_a_text_is_cut_at_a_megabyte_and_says_so() -> None:
    body = body_of("x" * (LONGEST_BODY + 5), pretty=True)
    assert body.lines == ("x" * LONGEST_BODY,)
    assert body.note == "cut: the first 1,000,000 of 1,000,005 characters"


def test_json_that_grows_when_pretty_is_cut_too() -> None:
    body = body_of("[" * 900 + "]" * 900, pretty=True)
    assert sum(map(len, body.lines)) <= LONGEST_BODY
    assert body.note.startswith("cut: the first 1,000,000 of ")


def test_lines_are_cut_after_a_space_where_there_is_one() -> None:
    body = Body(("a line of words", "", "x" * 25), False, False)
    assert [body.lines[number][start:end] for number, start, end in pieces(body, 10)] == [
        *("a line of ", "words", ""),
        *("x" * 10, "x" * 10, "x" * 5),
    ]


@given(st.lists(st.text("ab 日本e\u0301", max_size=60), min_size=1), st.integers(1, 20))
def test_pieces_are_the_lines_and_none_is_too_wide(lines: list[str], width: int) -> None:
    body = Body(tuple(lines), False, False)
    joined = [""] * len(lines)
    for number, start, end in pieces(body, width):
        assert cell_len(lines[number][start:end]) <= max(2, width)
        joined[number] += lines[number][start:end]
    assert joined == lines
