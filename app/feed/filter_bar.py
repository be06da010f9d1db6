"""The line under a feed where its filter is typed, and where it says what the filter does."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Input, Static

from app.feed.pattern import LONGEST_TEXT
from app.feed.view import FeedView

DEBOUNCE_S = 0.05


class FilterBar(Horizontal):
    """Hidden until `open`. What is typed filters `feed` as it is typed.

    Enter keeps the filter and gives the keyboard back to the feed; the bar stays as long as
    there is a filter. Escape clears it. The next `open` recalls what was typed last,
    and filters by it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Clear", id="filter.clear"),
    ]

    def __init__(self, feed: FeedView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._feed = feed
        self._last = ""
        self._typing = False
        self._debounce: Timer | None = None
        self.display = False

    def compose(self) -> ComposeResult:
        yield Static("/", classes="filter--slash", markup=False)
        yield Input(compact=True, select_on_focus=True, max_length=1000)
        yield Static(classes="filter--status", markup=False)

    def on_mount(self) -> None:
        self.watch(self._feed, "state", self._show_status)
        self.watch(self._feed, "filter_text", self._follow)

    def open(self) -> None:
        """Show the bar with the old text, ready for typing."""
        self._typing = self.display = True
        field = self.query_one(Input)
        field.value = self._feed.filter_text or self._last
        self.screen.set_focus(field)
        self._apply()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._stop_debounce()
        if self._typing:
            self._debounce = self.set_timer(DEBOUNCE_S, self._apply)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._apply()
        self._leave()

    def action_clear(self) -> None:
        """Show everything again; `open` recalls the text."""
        self._apply()
        self._feed.filter_text = ""
        self._leave()

    def _leave(self) -> None:
        self._typing = False
        self._feed.focus()
        self.display = bool(self._feed.filter_text)

    def _apply(self) -> None:
        self._stop_debounce()
        self._feed.filter_text = self.query_one(Input).value

    def _stop_debounce(self) -> None:
        if self._debounce is not None:
            self._debounce.stop()
            self._debounce = None

    def _follow(self, text: str) -> None:
        """The filter is another now, whoever changed it."""
        self._last = text or self._last
        if not self._typing:
            self.query_one(Input).value = text or self._last
            self.display = bool(text)

    def _show_status(self) -> None:
        status = self.query_one(".filter--status", Static)
        error = self._feed.state.filter_error
        status.set_class(bool(error), "-error")
        status.update(error or self._counts())

    def _counts(self) -> str:
        shown, total = self._feed.state.matches
        counts = f"{shown:,} of {total:,}"
        searched = self._feed.state.searched
        if searched < LONGEST_TEXT:
            counts += f", first {searched:,} characters"
        return counts
