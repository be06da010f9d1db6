"""The pane with the topics: a list to choose from, with a filter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option, OptionDoesNotExist

from app.screens.words import count_of
from app.text import harmless


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic as the list shows it. A row with an empty name stands for all topics."""

    name: str
    subscribed: bool = False
    unread: int = 0
    subscribers: int = 0
    head: int = 0
    muted: bool = False
    spark: str = ""  # how much has come lately, as little bars
    chosen: bool = False  # what is published goes there


Draw = Callable[[TopicRow, int], Content]  # a row in so many cells


class TopicList(Vertical):
    """Topics by name, or those with something unread first; `/` filters by what is typed.

    Rows keep their place under the cursor while counts change: only what changed is drawn
    again, and the highlighted topic stays highlighted when others come or go.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="topics.filter"),
        Binding("escape", "clear_filter", "Clear filter", show=False, id="topics.clear"),
        Binding("u", "unread_first", "Unread first", show=False, id="topics.unread_first"),
        Binding("j", "down", "Down", show=False),
        Binding("k", "up", "Up", show=False),
    ]

    class Highlighted(Message):
        """The cursor is on `name` now."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Chosen(Message):
        """Enter was pressed on `name`."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class NotFound(Message):
        """Enter was pressed in the filter, and no topic has `name` in its own."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, draw: Draw, *, nothing: str, not_found: str = "Esc clears.") -> None:
        super().__init__(id="topics", classes="pane")
        self.border_title = "Topics"
        self._draw_row = draw
        self._nothing = nothing
        self._not_found = not_found
        self._rows: dict[str, TopicRow] = {}
        self._shown: list[TopicRow] = []
        self._unread_first = False

    def compose(self) -> ComposeResult:
        box = Input(placeholder="filter topics", compact=True, id="topic-filter")
        box.display = False
        yield box
        yield Static(self._nothing, id="no-topics", markup=False)
        yield OptionList(markup=False, id="topic-options")

    def on_mount(self) -> None:
        self._rebuild()

    # what the screen says and asks

    def show(self, rows: Sequence[TopicRow]) -> None:
        """Show `rows`, in the order in which they come where nothing else is chosen."""
        self._rows = {row.name: row for row in rows}
        wanted = self._wanted_rows()
        if [row.name for row in wanted] != [row.name for row in self._shown]:
            self._rebuild()
            return
        for place, row in enumerate(wanted):
            if self._shown[place] != row:
                self._options.replace_option_prompt_at_index(place, self._drawn(row))
        self._shown = wanted
        self._tell_count()

    @property
    def selected(self) -> TopicRow | None:
        """The topic under the cursor."""
        place = self._options.highlighted
        return self._shown[place] if place is not None and place < len(self._shown) else None

    def select(self, name: str) -> None:
        """Put the cursor on `name`, if it is shown."""
        try:
            self._options.highlighted = self._options.get_option_index(_id(name))
        except OptionDoesNotExist:
            return

    # what a person does

    def action_filter(self) -> None:
        box = self.query_one("#topic-filter", Input)
        box.display = True
        box.focus()

    def action_clear_filter(self) -> None:
        self.clear_filter()
        self._options.focus()

    def clear_filter(self) -> None:
        """Show all topics again."""
        box = self.query_one("#topic-filter", Input)
        box.value = ""
        box.display = False

    def action_unread_first(self) -> None:
        self._unread_first = not self._unread_first
        self._rebuild()

    def action_down(self) -> None:
        self._options.action_cursor_down()

    def action_up(self) -> None:
        self._options.action_cursor_up()

    @on(Input.Changed, "#topic-filter")
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self._rebuild()

    @on(Input.Submitted, "#topic-filter")
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value and not self._shown:
            self.post_message(self.NotFound(event.value))
        else:
            self._options.focus()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_index < len(self._shown):
            self.post_message(self.Highlighted(self._shown[event.option_index].name))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(self._shown[event.option_index].name))

    def on_resize(self, event: Resize) -> None:
        self._rebuild()

    # drawing

    @property
    def _options(self) -> OptionList:
        return self.query_one(OptionList)

    def focus_list(self) -> None:
        self._options.focus()

    def _rebuild(self) -> None:
        """Draw everything anew, with the cursor on the topic on which it was."""
        was = self.selected
        self._shown = self._wanted_rows()
        self._options.set_options(Option(self._drawn(row), id=_id(row.name)) for row in self._shown)
        if was is not None:
            self.select(was.name)
        if self._options.highlighted is None and self._shown:
            self._options.highlighted = 0
        self._tell_count()

    def _wanted_rows(self) -> list[TopicRow]:
        """The rows that the filter lets through, in the order in which they are wanted."""
        wanted = self.query_one("#topic-filter", Input).value.casefold()
        rows = [row for row in self._rows.values() if wanted in row.name.casefold()]
        if self._unread_first:
            rows.sort(key=lambda row: (bool(row.name), row.unread == 0 or row.muted))
        return rows

    def _drawn(self, row: TopicRow) -> Content:
        return self._draw_row(row, max(self._options.scrollable_content_region.width, 12))

    def _tell_count(self) -> None:
        empty = self.query_one("#no-topics", Static)
        empty.display = not self._shown
        wanted = self.query_one("#topic-filter", Input).value
        if self._rows and not self._shown:
            empty.update(Content(f"No topic matches {harmless(wanted)}. {self._not_found}"))
        else:
            empty.update(Content(self._nothing))
        topics = [row for row in self._rows.values() if row.name]
        subscribed = sum(row.subscribed for row in topics)
        count = f"{len(topics):,}"
        words = f"{subscribed:,} of {count} subscribed" if subscribed else ""
        self.border_subtitle = Content(words or count_of(len(topics), "topic"))


def _id(name: str) -> str:
    return f"topic {name}"
