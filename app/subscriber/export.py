"""Writing messages to a file that a person names."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from app.record import AnyMessage, record_of
from app.screens.words import count_of
from app.text import harmless


def write_records(file: Path, messages: Sequence[AnyMessage], *, replace: bool) -> None:
    """Write `messages` to `file`, one JSON object a line.

    Without `replace` the file is a new one. With it a failure leaves the one that was there.

    Raises:
        FileExistsError: there is one, and `replace` was not asked for.
        OSError: it cannot be written.
    """
    if not replace:
        with file.open("xb") as new:
            new.writelines(record_of(message) + b"\n" for message in messages)
        return
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with open(handle, "wb") as new:
            new.writelines(record_of(message) + b"\n" for message in messages)
        os.chmod(name, file.stat().st_mode if file.exists() else 0o644)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise


class ExportScreen(ModalScreen[Path | None]):
    """Asks for a file and writes `messages` to it; the file, or None where it was left.

    A file that is there already is replaced only when Enter is pressed on its name again.
    """

    BINDINGS = [("escape", "dismiss(None)", "Close")]
    AUTO_FOCUS = "Input"

    def __init__(self, messages: Sequence[AnyMessage], suggestion: str) -> None:
        super().__init__()
        self._messages = messages
        self._suggestion = suggestion
        self._to_replace: Path | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="export") as box:
            box.border_title = Content(f"Export {count_of(len(self._messages), 'message')}")
            box.border_subtitle = Content("Enter writes   Esc closes")
            yield Static("To this file, one JSON object a line:", markup=False)
            yield Input(self._suggestion, compact=True, select_on_focus=False)
            yield Static(id="export-told", markup=False)

    @on(Input.Changed)
    def _another(self) -> None:
        self._to_replace = None
        self._tell("")

    @on(Input.Submitted)
    def _chosen(self, event: Input.Submitted) -> None:
        if not event.value.strip():
            self._tell("a file name is needed")
            return
        file = Path(event.value.strip()).expanduser()
        self._write(file, replace=file == self._to_replace)

    @work(group="export", exclusive=True)
    async def _write(self, file: Path, *, replace: bool) -> None:
        try:
            await asyncio.to_thread(write_records, file, self._messages, replace=replace)
        except FileExistsError:
            self._to_replace = file
            self._tell("it is there already; Enter replaces it, another name keeps it")
        except (OSError, ValueError, RuntimeError) as error:  # a home or a name that is none
            self._tell(f"it cannot be written: {getattr(error, 'strerror', None) or error}")
        else:
            self.dismiss(file)

    def _tell(self, text: str) -> None:
        self.query_one("#export-told", Static).update(Content(harmless(text)))
