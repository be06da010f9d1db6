"""Making a topic: one field, and under it what is wrong with the name."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from app.screens.symbols import Symbols
from app.text import harmless
from clients import Publisher, RequestRefused, SessionEnded
from clients.names import topic_name_fault


class NewTopicScreen(ModalScreen[str | None]):
    """Asks for a name until a topic is made (its name) or it is left (None)."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Leave")]
    AUTO_FOCUS = "#topic-name"

    def __init__(self, client: Publisher, symbols: Symbols, name: str = "") -> None:
        super().__init__()
        self._client = client
        self._symbols = symbols
        self._begin_with = name

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="new-topic") as box:
            box.border_title = Content("New topic")
            box.border_subtitle = Content("Enter makes it   Esc leaves")
            with Horizontal(classes="field"):
                yield Static("Name", classes="label", markup=False)
                yield Input(self._begin_with, id="topic-name", compact=True)
            yield Static(id="topic-name-told", classes="told", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Make the topic", variant="primary", id="make")

    def on_mount(self) -> None:
        self._tell("")

    @on(Input.Blurred)
    def _check(self, event: Input.Blurred) -> None:
        if event.value:
            self._tell(topic_name_fault(event.value) or "")

    @on(Input.Changed)
    def _corrected(self, event: Input.Changed) -> None:
        """Take a complaint back as soon as it no longer holds; raise none while one types."""
        if topic_name_fault(event.value) is None:
            self._tell("")

    @on(Input.Submitted)
    @on(Button.Pressed)
    def _submit(self) -> None:
        self._make(self.query_one(Input).value)

    @work(group="new topic", exclusive=True, exit_on_error=False)
    async def _make(self, name: str) -> None:
        fault = topic_name_fault(name)
        if fault is not None:
            self._refuse(fault)
            return
        self._tell("asking the broker ...", fault=False)
        try:
            await self._client.create_topic(name)
        except (RequestRefused, SessionEnded) as error:
            self._refuse(str(error))
        else:
            self.dismiss(name)

    def _refuse(self, why: str) -> None:
        self._tell(why)
        self.query_one(Input).focus()

    def _tell(self, text: str, *, fault: bool = True) -> None:
        told = self.query_one("#topic-name-told", Static)
        mark = f"{self._symbols.failed} " if text and fault else ""
        told.update(Content(mark + harmless(text)))
        told.set_class(fault, "fault")
        told.display = bool(text)
        self.query_one(Input).set_class(bool(text) and fault, "-invalid")
