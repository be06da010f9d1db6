import sys
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.lines import LineSplitter, LineTooLong

LIMIT = 20
HELD_BYTES = 4 * LIMIT + 200  # what a splitter may hold: its line, and what Python adds

# Few different bytes, so that newlines and lines near the limit are frequent.
streams = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\n\n", b"a", b"{}", b"x" * (LIMIT - 1), b"y" * (LIMIT + 1)]),
    max_size=12,
).map(b"".join)


def lines_of(parts: Iterable[bytes], limit: int = LIMIT) -> list[bytes | LineTooLong]:
    """Return the lines of a stream that arrives in `parts` and then ends."""
    splitter = LineSplitter(limit)
    lines = [line for part in parts for line in splitter.feed(part)]
    return lines + splitter.end()


def lines_expected(stream: bytes, limit: int = LIMIT) -> list[bytes | LineTooLong]:
    *ended, last = stream.split(b"\n")
    lines = [*ended, last] if last else ended
    return [line if len(line) <= limit else LineTooLong(limit) for line in lines]


def held_bytes(splitter: LineSplitter) -> int:
    return sum(sys.getsizeof(getattr(splitter, name)) for name in splitter.__slots__)


def test_where_the_stream_is_cut_does_not_matter() -> None:
    stream = b'{"action":"ping"}\r\n' + b"x" * 99 + b"\n\n\r\nlast\n"
    expected = [b'{"action":"ping"}\r', LineTooLong(20), b"", b"\r", b"last"]
    for cut in range(len(stream) + 1):
        splitter = LineSplitter(limit=20)
        assert splitter.feed(stream[:cut]) + splitter.feed(stream[cut:]) == expected


@given(streams, st.data())
def test_any_number_of_cuts_gives_the_same_lines(stream: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream))).map(sorted))
    parts = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert lines_of(parts) == lines_expected(stream)


@given(streams)
@example(b"\xff\x00\n" + "é\n".encode() * 3)
def test_single_bytes_give_the_same_lines(stream: bytes) -> None:
    assert lines_of(bytes([byte]) for byte in stream) == lines_expected(stream)


@given(st.binary(), st.integers(0, 30))
def test_any_bytes_are_cut_at_their_newlines(stream: bytes, limit: int) -> None:
    assert lines_of([stream], limit) == lines_expected(stream, limit)


@pytest.mark.parametrize(
    ("size", "whole"), [(0, True), (LIMIT - 1, True), (LIMIT, True), (LIMIT + 1, False)]
)
def test_the_limit_is_the_longest_line_that_comes_out(size: int, whole: bool) -> None:
    line = b"x" * size
    expected: list[bytes | LineTooLong] = [line if whole else LineTooLong(LIMIT), b"next"]
    for stream in (line + b"\nnext\n", line + b"\nnext"):
        assert lines_of([stream]) == expected
        assert lines_of(bytes([byte]) for byte in stream) == expected


def test_a_line_comes_out_as_soon_as_its_newline_arrives() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"one") == []
    assert splitter.feed(b"\ntwo\nthr") == [b"one", b"two"]
    assert splitter.feed(b"") == []
    assert splitter.feed(b"ee\n") == [b"three"]


def test_the_end_of_the_stream_ends_the_last_line() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"one\ntwo") == [b"one"]
    assert splitter.end() == [b"two"]
    assert splitter.end() == []


def test_a_stream_that_ends_with_a_newline_leaves_nothing() -> None:
    assert lines_of([b"one\n"]) == [b"one"]
    assert lines_of([]) == []


def test_a_giant_line_is_one_too_long_line_and_is_not_kept() -> None:
    splitter = LineSplitter(LIMIT)
    for _ in range(1_000):
        assert splitter.feed(b"x" * 1_000) == []
        assert held_bytes(splitter) < HELD_BYTES
    assert splitter.feed(b"x\nnext\n") == [LineTooLong(LIMIT), b"next"]


def test_the_end_of_the_stream_inside_a_giant_line_reports_it_once() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"x" * 1_000) == []
    assert splitter.end() == [LineTooLong(LIMIT)]
    assert splitter.end() == []


@given(st.lists(st.binary(max_size=3 * LIMIT), max_size=20))
def test_whatever_arrives_no_more_than_a_line_is_held(parts: list[bytes]) -> None:
    splitter = LineSplitter(LIMIT)
    for part in parts:
        splitter.feed(part)
        assert held_bytes(splitter) < HELD_BYTES
