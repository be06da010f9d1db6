"""Choosing among earlier messages."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from app.publisher.recall import Earlier, Recall
from app.screens.words import count_of, shortened
from app.text import harmless

SHOWN_CHARACTERS = 300  # of a message, in its one line


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was chosen: to be loaded into the composer, or to be sent again to its topic."""

    earlier: Earlier
    send: bool


class RecallScreen(ModalScreen[Recalled | None]):
    """Lists earlier messages, newest first, and finds one while its letters are typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave"),
        Binding("ctrl+s", "send", "Send again", id="recall.send"),
    ]
    AUTO_FOCUS = "Input"

    def __init__(self, recall: Recall) -> None:
        super().__init__()
        self._recall = recall
        self._found: list[Earlier] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="recall") as box:
            box.border_title = Content("Earlier messages")
            box.border_subtitle = Content("Enter loads it   Ctrl+S sends it again   Esc leaves")
            yield Input(placeholder="search", compact=True)
            yield OptionList(markup=False)

    def on_mount(self) -> None:
        self._show("")

    def action_send(self) -> None:
        self._choose(send=True)

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        self._show(event.value)

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _load(self) -> None:
        self._choose(send=False)

    def on_key(self, event: Key) -> None:
        if event.key in ("down", "up") and self.focused is self.query_one(Input):
            options = self.query_one(OptionList)
            options.action_cursor_down() if event.key == "down" else options.action_cursor_up()

    def _choose(self, *, send: bool) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None:
            self.dismiss(Recalled(self._found[place], send))

    def _show(self, wanted: str) -> None:
        self._found = self._recall.find(wanted)
        options = self.query_one(OptionList)
        options.set_options(Option(_drawn(one)) for one in self._found)
        options.highlighted = 0 if self._found else None
        of = len(self._recall.newest_first)
        title = f"Earlier messages: {len(self._found)} of {count_of(of, 'message')}"
        self.query_one("#recall").border_title = Content(title)


def _drawn(one: Earlier) -> Content:
    topic = shortened(harmless(one.topic), 16)
    text = harmless(one.text[:SHOWN_CHARACTERS])
    return Content.assemble((f"{topic:<16}  ", "$text-muted"), text)
