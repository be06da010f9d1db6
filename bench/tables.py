"""Tables of text: aligned for a terminal, or in Markdown, with bars for what has a whole."""

import re
from collections.abc import Sequence

BAR_CELLS = 16
_NUMBER = re.compile(r"[\d,.]+%?")


def bar(share: float, *, ascii_only: bool = False) -> str:
    """Return a bar that is full at 1, and beyond it."""
    full, empty = "#." if ascii_only else "█░"
    cells = min(BAR_CELLS, max(0, round(share * BAR_CELLS)))
    return full * cells + empty * (BAR_CELLS - cells)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return `rows` under `heads`, numbers to the right and words to the left."""
    to_the_right = _number_columns(heads, rows)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = []
    for row in (heads, *rows):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_the_right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the same as a table in Markdown."""
    to_the_right = _number_columns(heads, rows)
    rule = ["---:" if right else "---" for right in to_the_right]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))


def _number_columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[bool]:
    columns = zip(heads, *rows, strict=True)
    return [any(_NUMBER.match(cell) for cell in column[1:]) for column in columns]


def number(value: float | None) -> str:
    """Return `value` as a person reads it; a dash where it is not known."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
