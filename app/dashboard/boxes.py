"""The boxes above the tables: traffic, state and health, three lines each."""

from abc import abstractmethod

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from app.dashboard.figures import in_bytes, in_milliseconds, number, sparks
from app.dashboard.view import View
from app.screens.symbols import Symbols
from app.screens.words import count_of
from broker.snapshot import Snapshot


class Box(Static):
    """Three lines that are made of a view."""

    view: reactive[View | None] = reactive(None, always_update=True)

    def __init__(self, title: str, symbols: Symbols) -> None:
        super().__init__(id=title.lower(), classes="pane box", markup=False)
        self.border_title = title
        self._bars = symbols.bars

    def render(self) -> RenderResult:
        view = self.view
        if view is None or view.snapshot is None:
            return Content(" waiting for the broker")
        return Content("\n".join(self.lines(view, view.snapshot)))

    @abstractmethod
    def lines(self, view: View, now: Snapshot) -> list[str]: ...


class TrafficBox(Box):
    def lines(self, view: View, now: Snapshot) -> list[str]:
        rates = view.rates
        room = self.size.width - 31
        into = sparks(rates.messages_in, room, self._bars)
        out = sparks(rates.messages_out, room, self._bars)
        return [
            f" in  {rates.now.messages_in:>9,.0f}/s {now.messages_in:>12,} {into}",
            f" out {rates.now.messages_out:>9,.0f}/s {now.messages_out:>12,} {out}",
            f" bytes {in_bytes(rates.now.bytes_in)}/s in  {in_bytes(rates.now.bytes_out)}/s out",
        ]


class StateBox(Box):
    def lines(self, view: View, now: Snapshot) -> list[str]:
        return [
            f" sessions {now.connections:,}  pub {now.publishers:,}  sub {now.subscribers:,}",
            f" {count_of(now.stored, 'message')}, {count_of(now.topic_count, 'topic')}",
            f" unread, all accounts {number(now.unread)}",
        ]


class HealthBox(Box):
    def lines(self, view: View, now: Snapshot) -> list[str]:
        free = "" if now.free_bytes is None else f"{in_bytes(now.free_bytes)} free "
        room = self.size.width - len(free) - 2
        trend = sparks(view.rates.ack_p99_s, room, self._bars)
        return [
            f" ack p50 {in_milliseconds(now.ack_p50_s)}  p99 {in_milliseconds(now.ack_p99_s)}",
            f" slow readers {now.slow:,}  errors {now.refusals:,}",
            f" {free}{trend}",
        ]
