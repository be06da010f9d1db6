"""The pane with the messages: the feed, what is typed to filter it, how far it has come."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from app.feed import FeedView, FilterBar, HeldLine
from app.screens.symbols import Symbols
from app.subscriber.drawing import bars
from app.text import harmless

BAR_CELLS = 20
MANY = 1000


class FeedPane(Vertical):
    """One feed for all topics. Showing one topic is a filter on it, so that what a screen
    holds is bounded once, whatever the number of topics, and "all" costs nothing more.
    """

    def __init__(self, symbols: Symbols, *, keep: int, ascii_only: bool) -> None:
        super().__init__(id="feed-pane", classes="pane")
        self._symbols = symbols
        self.feed = FeedView(keep=keep, ascii=ascii_only, show_topic=True, id="feed")

    def compose(self) -> ComposeResult:
        yield self.feed
        progress = Static(id="catching-up", markup=False)
        progress.display = False
        yield progress
        yield FilterBar(self.feed)
        yield HeldLine(self.feed)

    def show_title(self, title: str) -> None:
        self.border_title = Content(harmless(title))

    def show_progress(self, came: int, expected: int) -> None:
        """Show how much of what was waiting is here; nothing where that is all, or soon will."""
        progress = self.query_one("#catching-up", Static)
        progress.display = expected - came >= MANY
        if progress.display:
            full = came * BAR_CELLS // expected
            bar = bars([1] * full + [0] * (BAR_CELLS - full), 1, self._symbols)
            progress.update(Content(f"catching up {came:,} of {expected:,}  {bar}"))

    @on(FeedView.FilterWanted)
    def _filter(self) -> None:
        self.query_one(FilterBar).open()

    @on(FeedView.Changed)
    def _show_place(self) -> None:
        at, count = self.feed.place
        self.border_subtitle = Content(f"row {at:,} of {count:,}" if count else "")
