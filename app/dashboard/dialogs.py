"""The dialogs: are you sure, and what made the broker end."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from app.text import harmless


class Confirm(ModalScreen[bool]):
    """Asks whether something is to be done. Enter does it, Esc does not."""

    BINDINGS = [
        Binding("y", "dismiss(True)", "Yes", show=False),
        Binding("escape,n", "dismiss(False)", "No", show=False),
    ]
    AUTO_FOCUS = "#yes"

    def __init__(self, question: str, told: str, yes: str) -> None:
        super().__init__()
        self._question = question
        self._told = told
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(harmless(self._question))
            yield Static(Content(harmless(self._told)))
            with Horizontal(classes="buttons"):
                yield Button(Content(f"{self._yes}  Enter"), variant="primary", id="yes")
                yield Button(Content("Back  Esc"), id="no")

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class Trouble(ModalScreen[None]):
    """Says why there is no broker, and what to do. Leaving it leaves the application."""

    BINDINGS = [Binding("q,escape,enter", "app.leave", "Leave")]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="trouble") as box:
            box.border_title = Content(harmless(self._title))
            box.border_subtitle = Content("q leaves")
            yield Static(Content("\n\n".join(map(harmless, self._lines))))
