"""A message's text as lines to read: pretty if it is JSON, wrapped if wanted, never too much.

Lines are made when they are looked at. Splitting and wrapping only cut; so a text of a
megabyte, in one line or in a hundred thousand, opens at once.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import msgspec
from rich.cells import get_character_cell_size

from app.text import in_cells

LONGEST_BODY = 1_000_000  # characters that are shown of a text, or of what it is when pretty
TAB_CELLS = 4

Piece = tuple[int, int, int]  # which line, from where, to where


@dataclass(frozen=True, slots=True)
class Body:
    """The lines of a text, harmless, and what has to be said about them."""

    lines: tuple[str, ...]
    is_json: bool
    is_pretty: bool
    note: str = ""


def body_of(text: str, *, pretty: bool) -> Body:
    """Return `text` as lines: one for each it has, or those that pretty JSON has."""
    formatted = _formatted(text)
    is_pretty = pretty and formatted is not None
    chosen = formatted if pretty and formatted is not None else text
    note = ""
    if len(chosen) > LONGEST_BODY:
        note = f"cut: the first {LONGEST_BODY:,} of {len(chosen):,} characters"
        chosen = chosen[:LONGEST_BODY]
    return Body((*_lines(chosen),), formatted is not None, is_pretty, note)


def pieces(body: Body, width: int) -> list[Piece]:
    """Cut the lines into pieces of at most `width` cells, after a space where there is one."""
    cut: list[Piece] = []
    for number, line in enumerate(body.lines):
        start = 0
        for end in _ends(line, max(2, width)):
            cut.append((number, start, end))
            start = end
    return cut


def _formatted(text: str) -> str | None:
    """The pretty form of a JSON object or array; None for everything else."""
    if len(text) > LONGEST_BODY or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield in_cells(line.removesuffix("\r").expandtabs(TAB_CELLS))


def _ends(line: str, width: int) -> Iterator[int]:
    """Where the pieces of a line end. An empty line is one piece."""
    start = 0
    while len(line) > start + (fitting := _fitting(line[start : start + width], width)):
        end = start + fitting
        space = line.rfind(" ", start + width // 2, end)
        start = end if space < 0 else space + 1
        yield start
    yield len(line)


def _fitting(text: str, width: int) -> int:
    """How many characters from the beginning fit into `width` cells."""
    if text.isascii():
        return min(len(text), width)
    ends = [*accumulate(map(get_character_cell_size, text))]
    return bisect_right(ends, width)
