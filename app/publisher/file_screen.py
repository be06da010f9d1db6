"""Choosing a file to send: its path, what of it is a message, how fast."""

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Button, Input, Static

from app.publisher.choice import Choice
from app.publisher.file_messages import (
    FileFault,
    Look,
    Mode,
    completion,
    likely_mode,
    look,
    path_of,
)
from app.publisher.file_sending import FileOrder
from app.publisher.sizes import in_words
from app.screens.symbols import Symbols
from app.screens.words import count_of, shortened
from app.text import harmless


class FileScreen(ModalScreen[FileOrder | None]):
    """Asks for a file, and shows what its first messages would be, until it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave"),
        Binding("ctrl+s,ctrl+j,ctrl+enter", "send", "Send", id="file.send"),
    ]
    AUTO_FOCUS = "#path"

    def __init__(self, topic: str, limit: int, symbols: Symbols, path: str = "") -> None:
        super().__init__()
        self._topic = topic
        self._limit = limit
        self._symbols = symbols
        self._path = path
        self._guessed = ""  # the path for which a mode was proposed
        self._look: Look | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="file", can_focus=False) as box:
            box.border_title = Content(f"Send a file to {harmless(self._topic)}")
            box.border_subtitle = Content("Right completes   Ctrl+S sends   Esc leaves")
            with Horizontal(classes="field"):
                yield Static("Path", classes="label", markup=False)
                yield Input(self._path, id="path", compact=True, suggester=_Paths())
            yield Static(id="path-told", classes="told", markup=False)
            with Horizontal(classes="field", id="modes"):
                yield Static("Messages", classes="label", markup=False)
                yield Choice([*Mode], id="mode", can_focus=True)
            with Horizontal(classes="field"):
                yield Static("Rate", classes="label", markup=False)
                yield Input(id="rate", compact=True, placeholder="a second; empty: no limit")
            yield Static(id="rate-told", classes="told", markup=False)
            yield Static(id="preview", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Send", variant="primary", id="send-file", compact=True)

    def on_mount(self) -> None:
        self._tell("path", "")
        self._tell("rate", "")
        self._preview(0.0)

    # what a person does

    @on(Input.Changed, "#path")
    def _path_changed(self) -> None:
        self._preview(0.1)

    @on(Choice.Chosen)
    def _mode_changed(self) -> None:
        self._preview(0.0)

    @on(Input.Submitted, "#path")
    def _next(self) -> None:
        self.query_one("#mode").focus()

    @on(Input.Changed, "#rate")
    def _rate_corrected(self, event: Input.Changed) -> None:
        if _rate(event.value) is not None:
            self._tell("rate", "")

    @on(Input.Submitted, "#rate")
    @on(Button.Pressed, "#send-file")
    def action_send(self) -> None:
        self._send()

    # what follows

    @property
    def _mode(self) -> Mode:
        return Mode(self.query_one(Choice).chosen)

    @work(group="look", exclusive=True, exit_on_error=False)
    async def _preview(self, after_s: float) -> None:
        """Show what the file looks like, once no key has been pressed for a moment."""
        await asyncio.sleep(after_s)
        await self._look_at(self.query_one("#path", Input).value)

    async def _look_at(self, typed: str) -> bool:
        """Show what the file looks like; return whether it can be sent."""
        self._look = None
        self.query_one("#preview", Static).update("")
        if not typed:
            self._tell("path", "")
            return False
        try:
            path = path_of(typed)
            if typed != self._guessed:
                self._guessed = typed
                mode = await asyncio.to_thread(likely_mode, path)
                self.query_one(Choice).chosen = mode
            found = await asyncio.to_thread(look, path, self._mode, self._limit)
        except (FileFault, RuntimeError, ValueError) as error:
            self._tell("path", str(error))
            return False
        self._look = found
        self._show(found)
        return True

    @work(group="look", exclusive=True, exit_on_error=False)
    async def _send(self) -> None:
        typed = self.query_one("#path", Input).value
        rate = _rate(self.query_one("#rate", Input).value)
        if rate is None:
            self._tell("rate", "a number of messages a second, or nothing")
            self.query_one("#rate").focus()
        elif not typed or not await self._look_at(typed):
            if not typed:
                self._tell("path", "a path is needed")
            self.query_one("#path").focus()
        else:
            assert self._look is not None
            count = self._look.count
            self.dismiss(FileOrder(path_of(typed), self._mode, self._topic, rate, count))

    def _show(self, found: Look) -> None:
        count = "very many messages" if found.count is None else count_of(found.count, "message")
        self._tell("path", f"{in_words(found.size)}, {count}", fault=False)
        lines = []
        for piece in found.first:
            shown = f"{self._symbols.failed} {piece.fault}" if piece.fault else piece.text[:200]
            lines.append(shortened(f"{piece.number:>3}  {harmless(shown)}", 54))
        self.query_one("#preview", Static).update(Content("\n".join(lines)))

    def _tell(self, field: str, text: str, *, fault: bool = True) -> None:
        told = self.query_one(f"#{field}-told", Static)
        mark = f"{self._symbols.failed} " if text and fault else ""
        told.update(Content(mark + harmless(text)))
        told.set_class(fault, "fault")
        told.display = bool(text)
        self.query_one(f"#{field}", Input).set_class(bool(text) and fault, "-invalid")


class _Paths(Suggester):
    """Completes a path."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(completion, value)


def _rate(typed: str) -> float | None:
    """Return messages a second, 0 for any number of them, or None where it is no rate."""
    if not typed.strip():
        return 0.0
    try:
        rate = float(typed)
    except ValueError:
        return None
    return rate if 0 < rate < 1e9 else None
