"""The row that shows how much has come in the last minute."""

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from app.screens.symbols import Symbols
from app.subscriber.drawing import bars
from app.subscriber.rates import MINUTE, Rates


class RateRow(Widget):
    """Where there is room for it. Refresh it when the rates have changed."""

    def __init__(self, rates: Rates, symbols: Symbols) -> None:
        super().__init__(id="rate")
        self._rates = rates
        self._symbols = symbols

    def render(self) -> RenderResult:
        before = f" rate, last {MINUTE} s  "
        after = f"  now {self._rates.now:,}/s  peak {self._rates.peak:,}/s"
        room = max(min(self.size.width - len(before) - len(after) - 1, MINUTE), 0)
        history = [0] * MINUTE + [*self._rates.history]
        drawn = bars(history[-room:] if room else [], self._rates.peak, self._symbols)
        return Content.assemble((before, "$text-muted"), (drawn, "$text-accent"), after)
