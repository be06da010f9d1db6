"""How a topic is drawn in the publisher's list: which one is written to, and who reads it."""

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from app.screens.symbols import Symbols
from app.screens.topic_list import TopicRow
from app.screens.words import count_of
from app.text import harmless

BRIEF = 24  # cells; up to there only the number of subscribers is shown


def drawn(row: TopicRow, width: int, symbols: Symbols) -> Content:
    """Return `row` in `width` cells."""
    count = str(row.subscribers) if width < BRIEF else count_of(row.subscribers, "sub")
    chosen = symbols.chosen if row.chosen else " "
    room = max(width - cell_len(count) - 4, 4)
    name = set_cell_size(harmless(row.name), room)
    style = "bold" if row.chosen else ""
    return Content.assemble((f"{chosen} {name} ", style), (count, "$text-muted"))
