"""A question that is answered with Enter or Esc."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from app.text import harmless


class Question(ModalScreen[bool]):
    """Asks `text`; Enter does what `yes` names (True), Esc does not (False)."""

    BINDINGS = [("enter", "dismiss(True)", "Yes"), ("escape", "dismiss(False)", "No")]

    def __init__(self, title: str, text: str, *, yes: str) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="question") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content(f"Enter {self._yes}   Esc does not")
            yield Static(Content(harmless(self._text)), markup=False)
