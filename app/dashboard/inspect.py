"""One topic or one session, looked at closely while it goes on."""

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from app.dashboard.dialogs import Confirm
from app.dashboard.figures import cell, in_bytes, in_time, number
from app.dashboard.server import PACE_S, BrokerEnded, BrokerThread
from app.text import harmless
from broker.snapshot import CursorFigures, SessionDetail, TopicDetail

if TYPE_CHECKING:
    from app.screens.base import BaseApp

NAME_CELLS, NARROW_NAME_CELLS = 26, 18
NARROW = 72  # cells; below there the columns have no more room

_logger = logging.getLogger("pubsub.dashboard")


class Inspect(ModalScreen[None]):
    """Lines that are made anew while one looks. What has gone stays shown, and says so."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss(None)", "Back")]
    AUTO_FOCUS = "VerticalScroll"

    def __init__(self, server: BrokerThread) -> None:
        super().__init__()
        self.server = server

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="inspect") as box:
            box.border_title = Content(self.title_text)
            with VerticalScroll():
                yield Static(id="detail", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._keep_looking()

    @property
    @abstractmethod
    def title_text(self) -> str: ...

    @property
    def name_cells(self) -> int:
        """How wide a column of names is: a row that went over two lines could not be read."""
        return NAME_CELLS if self.app.size.width >= NARROW else NARROW_NAME_CELLS

    @abstractmethod
    async def lines(self) -> Sequence[str] | None:
        """Return what is shown, or None where there is nothing any more."""

    @work(exit_on_error=False)
    async def _keep_looking(self) -> None:
        """Look again and again, each time when the last answer has come, until it has ended."""
        ended = "this has ended"
        try:
            while (lines := await self.lines()) is not None:
                self.query_one("#detail", Static).update(Content("\n".join(lines)))
                await asyncio.sleep(PACE_S)
        except BrokerEnded:
            pass
        except Exception as error:
            _logger.exception("it cannot be looked at")
            ended = f"cannot be shown: {error}"
        self.query_one("#inspect").border_subtitle = Content(harmless(ended))


class InspectTopic(Inspect):
    def __init__(self, server: BrokerThread, name: str) -> None:
        super().__init__(server)
        self._topic = name

    @property
    def title_text(self) -> str:
        return f"Topic {harmless(self._topic)}"

    async def lines(self) -> Sequence[str] | None:
        detail = await self.server.ask(lambda broker: broker.census.topic(self._topic))
        return None if detail is None else topic_lines(detail, self.name_cells)


class InspectSession(Inspect):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "disconnect", "Disconnect", id="session.disconnect")
    ]

    def __init__(self, server: BrokerThread, number: int, account: str) -> None:
        super().__init__(server)
        self._number = number
        self._account = harmless(account) or "nobody yet"

    @property
    def title_text(self) -> str:
        return f"Session {self._number}: {self._account}"

    async def lines(self) -> Sequence[str] | None:
        detail = await self.server.ask(lambda broker: broker.census.session(self._number))
        return None if detail is None else session_lines(detail, self.name_cells)

    @work(group="disconnect", exclusive=True, exit_on_error=False)
    async def action_disconnect(self) -> None:
        told = (
            "The client is told, and its connection is closed. What it published stays stored and"
            " what is unread waits for it; it may connect again at once."
        )
        if not await self.app.push_screen_wait(
            Confirm(f"Disconnect {self._account}?", told, "Disconnect")
        ):
            return
        try:
            done = await self.server.ask(lambda broker: broker.census.disconnect(self._number))
        except BrokerEnded:
            done = False
        app: BaseApp = self.app  # type: ignore[assignment]  # the only kind that has this screen
        app.say(f"{self._account} is disconnected" if done else "that session has ended already")


def topic_lines(detail: TopicDetail, cells: int) -> list[str]:
    one = detail.figures
    return [
        f"messages       {one.head:,}",
        f"subscriptions  {number(one.subscriptions)}, {one.live:,} of them signed in and live",
        f"unread         {number(one.unread)}, in all subscriptions",
        "",
        *_cursor_lines("signed-in account", [(one.account, one) for one in detail.cursors], cells),
    ]


def session_lines(detail: SessionDetail, cells: int) -> list[str]:
    one = detail.figures
    slow = ": it does not read, so nothing more is written" if one.slow else ""
    return [
        f"account     {harmless(one.account) or '- (nobody has signed in)'}",
        f"role        {one.role or '-'}, protocol version {detail.version}",
        f"address     {harmless(detail.peer)}, idle for {in_time(one.idle_s)}",
        f"bytes       {in_bytes(one.received_bytes)} in, {in_bytes(one.written_bytes)} out",
        f"queue       {in_bytes(one.queued_bytes)}{slow}",
        f"behind      {one.behind:,} messages",
        f"last error  {harmless(detail.last_refusal) or 'none'}",
        "",
        *_cursor_lines("topic", [(one.topic, one) for one in detail.cursors], cells),
    ]


def _cursor_lines(
    title: str, cursors: Sequence[tuple[str, CursorFigures]], cells: int
) -> list[str]:
    if not cursors:
        return ["no cursors: nobody is signed in who reads"]
    head = f"{title:<{cells}} {'confirmed':>11} {'sent':>11} {'head':>11}"
    return [
        head,
        *(
            f"{_padded(name, cells)} {one.confirmed:>11,} {one.sent:>11,} {one.head:>11,}"
            for name, one in cursors
        ),
    ]


def _padded(name: str, cells: int) -> str:
    shown = cell(name, cells, "~")
    shown.pad_right(cells - shown.cell_len)
    return shown.plain
