"""The line under a feed that tells that it is held, and how to go on."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from app.feed.view import FeedView


class HeldLine(Horizontal):
    """Always takes its line, so that holding moves nothing; empty while the feed follows."""

    def __init__(self, feed: FeedView, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._feed = feed

    def compose(self) -> ComposeResult:
        yield Static(classes="held--state", markup=False)
        yield Static(classes="held--new", markup=False)

    def on_mount(self) -> None:
        self.watch(self._feed, "state", self._show)

    def _show(self) -> None:
        state = self._feed.state
        left, right = "", ""
        if state.held:
            arrow = "v" if self._feed.ascii else "↓"
            left = "held: your place is kept"
            right = f"{arrow} {state.new_count:,} new, G newest" if state.new_count else "G newest"
        self.query_one(".held--state", Static).update(left)
        self.query_one(".held--new", Static).update(right)
