"""The subscriber's own drawings: a topic's row, and numbers as little bars."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from app.screens.symbols import Symbols
from app.screens.topic_list import TopicRow
from app.text import in_cells

MOST_UNREAD = 999  # more are shown as "999+"
ALL_SUBSCRIBED = "All subscribed"


def topic_line(row: TopicRow, width: int, symbols: Symbols) -> Content:
    """Draw `row` in `width` cells: mark, name, unread count, and the bars where it has some."""
    mark = symbols.subscribed if row.subscribed else symbols.not_subscribed
    name = in_cells(row.name) if row.name else ALL_SUBSCRIBED
    count = f" {unread_words(row)}"
    spark = f" {row.spark}" if row.spark else ""
    room = max(width - 3 - cell_len(count + spark), 1)
    if cell_len(name) > room:
        more = symbols.more
        name = set_cell_size(name, max(room - cell_len(more), 0)) + more
    style = "$text-warning bold" if row.unread and not row.muted else "$text-muted"
    return Content.assemble(
        (f"{mark} " if row.name else "  ", "$text-success" if row.subscribed else "$text-muted"),
        set_cell_size(name, room),
        (count, style),
        (f"{spark} ", "$text-accent"),
    )


def unread_words(row: TopicRow) -> str:
    """Return the count of `row`; in parentheses where it is muted."""
    if not row.subscribed and row.name:
        return "-"
    count = f"{row.unread}" if row.unread <= MOST_UNREAD else f"{MOST_UNREAD}+"
    return f"({count})" if row.muted else count


def bars(values: Sequence[int], top: int, symbols: Symbols) -> str:
    """Draw each of `values` as a bar; one of `top` is the highest there is.

    Nothing is the lowest bar, and the least of something is the next one.
    """
    shapes = symbols.bars
    last = len(shapes) - 1
    return "".join(
        shapes[max(1, min(last, round(value / top * last)))] if value > 0 and top > 0 else shapes[0]
        for value in values
    )
