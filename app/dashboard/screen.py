"""The main screen: the bar, the boxes, the tables, the log."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Log, Static

from app.dashboard.bar import BrokerBar
from app.dashboard.boxes import HealthBox, StateBox, TrafficBox
from app.dashboard.figures import compact, in_bytes, in_time, number
from app.dashboard.inspect import InspectSession, InspectTopic
from app.dashboard.log import LogKeeper, LogPane
from app.dashboard.rates import Rates
from app.dashboard.server import BrokerThread
from app.dashboard.table import Column, FiguresTable
from app.dashboard.view import View
from app.screens.symbols import Symbols
from broker.snapshot import SessionFigures, TopicFigures

PANES = ("topic-figures", "session-figures", "log")
TITLES = ("Topics", "Sessions", "Log")


class DashboardScreen(Screen[None]):
    """Shows a view, four times a second. Narrow, the tables (tiny, the log too) are tabs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "pane(0)", "Topics", show=False, id="dashboard.topics"),
        Binding("2", "pane(1)", "Sessions", show=False, id="dashboard.sessions"),
        Binding("3", "pane(2)", "Log", show=False, id="dashboard.log"),
    ]
    AUTO_FOCUS = "#topic-figures DataTable"

    def __init__(self, server: BrokerThread, keeper: LogKeeper, symbols: Symbols) -> None:
        super().__init__()
        self._server = server
        self._keeper = keeper
        self._symbols = symbols
        self._rates = Rates()
        self._accounts: dict[int, str] = {}
        self._ready = False  # for something to be shown

    def compose(self) -> ComposeResult:
        symbols = self._symbols
        yield BrokerBar(symbols)
        with Horizontal(id="boxes"):
            yield TrafficBox("Traffic", symbols)
            yield StateBox("State", symbols)
            yield HealthBox("Health", symbols)
        yield Static(id="tabs", markup=False)
        with Vertical(id="panes"):
            with Horizontal(id="tables"):
                yield self._topics()
                yield self._sessions()
            yield LogPane(self._keeper)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.action_pane(0)
        self._ready = True

    def show(self, view: View) -> None:
        """Show `view`, and what has been logged."""
        if not self._ready:
            return
        self.query_one(BrokerBar).view = view
        self.query_one(LogPane).look()
        now = view.snapshot
        if now is None:
            return
        self._rates = view.rates
        for kind in (TrafficBox, StateBox, HealthBox):
            self.query_one(kind).view = view
        self._accounts = {one.number: one.account for one in now.sessions}
        self._table("topic-figures").show(now.topics, now.topic_count)
        self._table("session-figures").show(now.sessions, now.connections)

    # what a person does

    def action_pane(self, place: int) -> None:
        """Go to a pane, which is in front then where there are tabs."""
        for other, name in enumerate(PANES):
            self.query_one(f"#{name}").set_class(other == place, "-front")
        self.query_one("#panes").set_class(place == 2, "-log-front")
        tabs = [
            (f" {other + 1} {title} ", "reverse bold" if other == place else "")
            for other, title in enumerate(TITLES)
        ]
        self.query_one("#tabs", Static).update(Content.assemble(" ", *tabs))
        if place == 2:
            self.set_focus(self.query_one(Log))
        else:
            self._table(PANES[place]).focus_table()

    @on(FiguresTable.Chosen, "#topic-figures")
    def _inspect_topic(self, event: FiguresTable.Chosen) -> None:
        self.app.push_screen(InspectTopic(self._server, str(event.key)))

    @on(FiguresTable.Chosen, "#session-figures")
    def _inspect_session(self, event: FiguresTable.Chosen) -> None:
        assert isinstance(event.key, int)
        account = self._accounts.get(event.key, "")
        self.app.push_screen(InspectSession(self._server, event.key, account))

    # the tables

    def _table(self, name: str) -> FiguresTable:  # type: ignore[type-arg]  # of either kind
        return self.query_one(f"#{name}", FiguresTable)

    def _rate(self, topic: TopicFigures) -> float:
        return self._rates.topics.get(topic.name, 0.0)

    def _topics(self) -> FiguresTable[TopicFigures]:
        return FiguresTable(
            "Topics",
            [
                Column("name", lambda one: one.name, sort=lambda one: one.name),
                Column("msgs", lambda one: compact(one.head), 7, lambda one: one.head),
                Column("subs", lambda one: number(one.subscriptions), 4),
                Column("live", lambda one: number(one.live), 4, extra=True),
                Column("in/s", lambda one: compact(round(self._rate(one))), 6, self._rate),
                Column("unread", lambda one: compact(one.unread), 7, lambda one: one.unread or 0),
            ],
            lambda one: one.name,
            sort="in/s",
            nothing="No topics yet: a publisher makes them.",
            symbols=self._symbols,
            id="topic-figures",
        )

    def _sessions(self) -> FiguresTable[SessionFigures]:
        return FiguresTable(
            "Sessions",
            [
                Column("account", lambda one: one.account or "-", sort=lambda one: one.account),
                Column("role", lambda one: one.role[:3] if one.role else "-", 4),
                Column("topics", lambda one: number(one.topics) if one.topics else "-", 6),
                Column("queue", _queue, 9, lambda one: one.queued_bytes),
                Column(
                    "behind", lambda one: compact(one.behind), 7, lambda one: one.behind, extra=True
                ),
                Column("idle", lambda one: in_time(one.idle_s), 4, lambda one: one.idle_s),
            ],
            lambda one: one.number,
            sort="account",
            nothing="Nobody is connected.",
            symbols=self._symbols,
            id="session-figures",
        )


def _queue(one: SessionFigures) -> str:
    return f"{in_bytes(one.queued_bytes)}{' !' if one.slow else ''}"
