"""The pane with one message in full."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from app.feed import DetailView, MessageRow
from app.text import in_cells


class DetailPane(DetailView):
    """Stays on its message while the feed goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.close_detail", "Close", id="detail.close"),
        Binding("n", "screen.neighbour(1)", "Next message", show=False, id="detail.next"),
        Binding("p", "screen.neighbour(-1)", "Previous message", show=False, id="detail.previous"),
    ]

    def __init__(self) -> None:
        super().__init__(id="detail-pane", classes="pane")

    def show_row(self, row: MessageRow) -> None:
        """Show `row` and say in the border which one it is."""
        self.show(row)
        self.border_title = Content(f"{in_cells(row.topic)} {row.seq:,}")
        self.border_subtitle = Content("n next   p previous   Esc closes")
