"""A table of text on standard output: the first column to the left, numbers to the right."""

from collections.abc import Sequence

from app.commands.ending import say
from app.commands.output import write
from app.text import harmless


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, nothing: str) -> None:
    """Print `rows` under `heads`; where there are none, say `nothing` on standard error."""
    if not rows:
        say(nothing)
        return
    cells = [heads, *([harmless(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        first = row[0].ljust(widths[0])
        others = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([first, *others]).rstrip() + "\n")
    write("".join(lines).encode())
