"""The Sent pane: what was sent, newest first, and what became of it."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from app.publisher.clock import Clock
from app.publisher.sent import Row, SentList
from app.publisher.sent_line import drawn, header
from app.screens.symbols import Symbols


class SentView(ScrollView, can_focus=True):
    """The rows, drawn when they are seen: however many come, drawing costs what is visible.

    The cursor stays on its row when newer ones come in above, except on the newest, where it
    stays on the newest.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "sent--muted",
        "sent--waiting",
        "sent--late",
        "sent--stored",
        "sent--failed",
        "sent--cursor",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Load", id="sent.load", key_display="Enter"),
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("g,home", "go(False)", "Newest", show=False, id="sent.newest"),
        Binding("G,end", "go(True)", "Oldest", show=False, id="sent.oldest"),
        Binding("y", "copy", "Copy message", show=False, id="sent.copy"),
    ]

    class Chosen(Message):
        """Enter was pressed on a row."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    def __init__(self, sent: SentList, clock: Clock, symbols: Symbols) -> None:
        super().__init__(id="sent-view")
        self._sent = sent
        self._clock = clock
        self._symbols = symbols
        self._place = 0  # of the cursor, counted from the newest
        self._number: int | None = None  # of the row there, where it is not the newest
        self._changes = -1

    # what the pane says and asks

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._sent.newest_first(self._place)

    def show_changes(self) -> None:
        """Draw again if there is anything new to see."""
        aging = bool(self._sent.rows) and any(row.mark.open for row in self._sent.rows[-200:])
        if self._changes == self._sent.changes and not aging:
            return
        if self._changes != self._sent.changes:
            self._changes = self._sent.changes
            self._follow_cursor()
            self.virtual_size = Size(self.size.width, len(self._sent.rows))
        self.refresh()

    # what a person does

    def action_choose(self) -> None:
        if self.row is not None:
            self.post_message(self.Chosen(self.row))

    def action_copy(self) -> None:
        if self.row is not None:
            self.app.copy_to_clipboard(self.row.text)
            self.app.say("sent to the terminal clipboard")  # type: ignore[attr-defined]  # of PubSubApp

    def action_move(self, by: int) -> None:
        self._move_to(self._place + by)

    def action_page(self, by: int) -> None:
        self._move_to(self._place + by * max(self.size.height - 1, 1))

    def action_go(self, to_oldest: bool) -> None:
        self._move_to(len(self._sent.rows) - 1 if to_oldest else 0)

    def on_click(self, event: Click) -> None:
        self._move_to(event.y + self.scroll_offset.y)

    def on_resize(self, event: Resize) -> None:
        self.virtual_size = Size(event.size.width, len(self._sent.rows))

    # drawing

    def render_line(self, y: int) -> Strip:
        place = y + self.scroll_offset.y
        row = self._sent.newest_first(place)
        width = self.size.width
        if row is None:
            return Strip.blank(width, self.rich_style)
        base = self.rich_style
        if place == self._place:
            base += self._cursor_style()
        parts = drawn(row, width, self._clock.now(), self._symbols)
        segments = [Segment(text, self._style(base, style)) for text, style in parts]
        return Strip(segments).adjust_cell_length(width, base)

    def _cursor_style(self) -> Style:
        if not self.has_focus:
            return Style(bold=True)
        return self.get_component_rich_style("sent--cursor", partial=True)

    def _style(self, base: Style, name: str) -> Style:
        if not name:
            return base
        return base + self.get_component_rich_style(f"sent--{name}", partial=True)

    def _move_to(self, place: int) -> None:
        place = max(min(place, len(self._sent.rows) - 1), 0)
        self._place = place
        row = self.row
        self._number = row.number if row is not None and place else None
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if place < top:
            self.scroll_to(y=place, animate=False)
        elif place >= top + height:
            self.scroll_to(y=place - height + 1, animate=False)
        self.refresh()

    def _follow_cursor(self) -> None:
        if self._number is None:
            self._place = 0
            return
        place = self._sent.place_of(self._number)
        if place is None:  # it is forgotten
            self._move_to(len(self._sent.rows) - 1)
        elif place != self._place:
            shift = place - self._place
            self._place = place
            self.virtual_size = Size(self.size.width, len(self._sent.rows))
            if self.scroll_offset.y:
                self.scroll_to(y=self.scroll_offset.y + shift, animate=False)


class SentPane(Vertical):
    """The rows under their header; without any, what to press."""

    def __init__(self, sent: SentList, clock: Clock, symbols: Symbols) -> None:
        super().__init__(id="sent", classes="pane")
        self.border_title = "Sent"
        self._sent = sent
        self._view = SentView(sent, clock, symbols)
        self._shown: tuple[bool, str] | None = None

    @property
    def view(self) -> SentView:
        return self._view

    def compose(self) -> ComposeResult:
        yield Static("Nothing sent yet. Ctrl+S sends what is typed.", id="none-sent", markup=False)
        yield Static(id="sent-header", markup=False)
        yield self._view

    def on_mount(self) -> None:
        self.show_changes()

    def show_changes(self, hint: str = "") -> None:
        """Draw again what has changed; `hint` says what can be pressed now."""
        empty = not self._sent.rows
        hint = hint or ("" if empty else "newest first")
        if self._shown != (empty, hint):
            self._shown = empty, hint
            self.query_one("#none-sent").display = empty
            self.query_one("#sent-header").display = not empty
            self.border_subtitle = Content(hint)
        self._view.show_changes()

    def on_resize(self, event: Resize) -> None:
        self.query_one("#sent-header", Static).update(Content(header(event.size.width)))
