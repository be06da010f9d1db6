"""The bar on top: who one is, how the connection stands, and what the screen counts."""

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from app.screens.symbols import Symbols
from app.screens.words import in_words, shortened
from app.text import harmless
from clients import Phase, State

_STYLES = {
    Phase.LIVE: "$text-success",
    Phase.RECONNECTING: "$text-warning",
    Phase.REFUSED: "$text-error",
    Phase.CLOSED: "$text-error",
}


class StatusBar(Widget):
    """One row: the application and account to the left, state and counters to the right.

    Where there is no room for all, the left gives way first.
    """

    DEFAULT_CSS = "StatusBar { height: 1; dock: top; background: $panel; }"

    who: reactive[str] = reactive("")
    state: reactive[State] = reactive(State(Phase.OFFLINE))
    counters: reactive[str] = reactive("")

    def __init__(self, kind: str, symbols: Symbols) -> None:
        super().__init__(id="status")
        self._kind = kind
        self._symbols = symbols

    def on_mount(self) -> None:
        self.set_interval(1.0, self._count_down)

    def render(self) -> RenderResult:
        now = self.app.now()  # type: ignore[attr-defined]  # the clock of PubSubApp
        words = in_words(self.state, now, self._symbols)
        style = _STYLES.get(self.state.phase, "")
        counters = f"   {self.counters}" if self.counters else ""
        room = self.size.width - cell_len(counters) - 3
        words = shortened(words, room)
        left = shortened(f"{self._kind}  {harmless(self.who)}", room - cell_len(words))
        gap = self.size.width - cell_len(left) - cell_len(words) - cell_len(counters) - 2
        return Content.assemble(
            f" {left}", " " * max(gap, 1), (words, style), (counters, "$text-muted")
        )

    def _count_down(self) -> None:
        if self.state.phase is Phase.RECONNECTING:
            self.refresh()
