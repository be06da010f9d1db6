"""The question before something is left while messages are not stored yet."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from app.publisher.publishing import Publishing
from app.screens.words import count_of
from app.text import harmless


class UnsentScreen(ModalScreen[bool]):
    """Says how many messages wait, and whether to leave (True) or to stay (False)."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "Stay")]
    AUTO_FOCUS = "OptionList"

    def __init__(self, publishing: Publishing, leave: str) -> None:
        super().__init__()
        self._publishing = publishing
        self._leave = leave
        self._waits = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="unsent") as box:
            box.border_title = Content("Not stored yet")
            box.border_subtitle = Content("Enter chooses   Esc stays")
            yield Static(id="unsent-told", markup=False)
            yield OptionList(
                Option(f"Wait for them, then {self._leave}", id="wait"),
                Option(f"{self._leave.capitalize()} all the same: they may be lost", id="leave"),
                Option("Stay", id="stay"),
                markup=False,
            )

    def on_mount(self) -> None:
        self._show()
        self.set_interval(0.25, self._show)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        if event.option_id != "wait":
            self.dismiss(event.option_id == "leave")
        elif not self._waits:
            self._waits = True
            self._show()
            self._wait()

    @work(group="unsent", exit_on_error=False)
    async def _wait(self) -> None:
        failed = self._publishing.sent.failed
        await self._publishing.drain()
        if self._publishing.sent.failed == failed:
            self.dismiss(True)
        else:
            self.app.say("not all could be stored; Sent says why", failed=True)  # type: ignore[attr-defined]  # of PubSubApp
            self.dismiss(False)

    def _show(self) -> None:
        number = count_of(self._publishing.unsent, "message")
        file = self._publishing.file
        more = ""
        if file is not None and not file.over:
            more = f" The file {harmless(file.order.path.name)} is being sent."
        words = "waiting for" if self._waits else "the broker has not stored"
        text = f"{words} {number}.{more}"
        self.query_one("#unsent-told", Static).update(Content(text[0].upper() + text[1:]))
