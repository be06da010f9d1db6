"""The bar on top: where the broker is, since when, how it is, and what it keeps."""

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from app.dashboard.figures import as_clock, in_bytes, in_milliseconds
from app.dashboard.server import Phase
from app.dashboard.view import View, condition_words
from app.screens.symbols import Symbols
from app.screens.words import shortened
from app.text import harmless


class BrokerBar(Widget):
    """One row. Where there is no room for all, figures give way first, then the address."""

    DEFAULT_CSS = """
    BrokerBar { height: 1; dock: top; background: $panel; }
    BrokerBar.-bad { background: $error 40%; text-style: bold; }
    """

    view: reactive[View | None] = reactive(None, always_update=True)

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(id="status")
        self._symbols = symbols

    def watch_view(self, view: View | None) -> None:
        self.set_class(view is not None and view.bad, "-bad")

    def render(self) -> RenderResult:
        view = self.view
        if view is None:
            return Content()
        width = self.size.width
        narrow = self.screen.has_class("-narrow", "-tiny") or width < 96
        words = condition_words(view, self._symbols)
        left = self._left(view, narrow=narrow)
        figures = self._figures(view, narrow=narrow)
        while figures and cell_len("".join((left, words, *figures))) + 4 > width:
            figures.pop()
        right = "".join(figures)
        words = shortened(words, max(width - cell_len(right) - 2, 8))
        left = shortened(left, max(width - cell_len(words) - cell_len(right) - 4, 0))
        gap = width - cell_len(left) - cell_len(words) - cell_len(right) - 2
        return Content.assemble(
            f" {left}", " " * max(gap, 1), (words, self._style(view)), (right, "$text-muted")
        )

    def _left(self, view: View, *, narrow: bool) -> str:
        up = f"  up {as_clock(view.snapshot.up_s)}" if view.snapshot else ""
        frozen = "  FROZEN" if view.frozen else ""
        return f"{'' if narrow else 'pubsub '}broker  {harmless(view.address)}{up}{frozen}"

    def _figures(self, view: View, *, narrow: bool) -> list[str]:
        """Return what is told beside, the most wanted first. Narrow, it has the health too."""
        now = view.snapshot
        if now is None:
            return []
        figures = []
        if now.data_bytes is not None:
            figures.append(f"  {'' if narrow else ' data '}{in_bytes(now.data_bytes)}")
        if not narrow:
            return [*figures, f"   {view.sync}"]
        if now.ack_p99_s is not None:
            figures.insert(0, f"  p99 {in_milliseconds(now.ack_p99_s)}")
        if now.refusals:
            figures.insert(0, f"  errors {now.refusals:,}")
        if now.slow:
            figures.insert(0, f"  slow {now.slow}")
        return figures

    @staticmethod
    def _style(view: View) -> str:
        if view.bad:
            return "$text"
        return "$text-success" if view.phase is Phase.SERVING else "$text-warning"
