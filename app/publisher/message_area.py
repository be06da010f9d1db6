"""The field in which a message is typed."""

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Key, Paste
from textual.message import Message
from textual.widgets import TextArea

from app.text import harmless

LONGEST_LINE = 256 * 1024  # characters; from there on each key takes a second
LONGEST = 4 * 1024 * 1024


def too_long(text: str) -> bool:
    """Whether `text` would be too slow to edit."""
    return len(text) > LONGEST_LINE and (
        len(text) > LONGEST or any(len(line) > LONGEST_LINE for line in text.split("\n"))
    )


class MessageArea(TextArea):
    """A text area that never shows a control character as such, and has a one-line mode.

    In one-line mode Enter sends. Whatever replaces the text can be undone.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+up", "step(True)", "Earlier message", show=False, id="compose.earlier"),
        Binding("ctrl+down", "step(False)", "Later message", show=False, id="compose.later"),
    ]

    class Entered(Message):
        """Enter was pressed in one-line mode."""

    class Stepped(Message):
        """An earlier or a later message is wanted."""

        def __init__(self, *, older: bool) -> None:
            super().__init__()
            self.older = older

    class Refused(Message):
        """What was pasted is too long to edit."""

    def __init__(self) -> None:
        super().__init__(id="message", compact=True, placeholder="Type a message.")
        self.one_line = False

    def put(self, text: str) -> None:
        """Put `text` in the place of what is there; Ctrl+Z takes it back."""
        self.history.checkpoint()
        self.replace(text, (0, 0), self.document.end, maintain_selection_offset=False)
        self.history.checkpoint()

    def action_step(self, older: bool) -> None:
        self.post_message(self.Stepped(older=older))

    async def _on_key(self, event: Key) -> None:
        if self.one_line and event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Entered())

    async def _on_paste(self, event: Paste) -> None:
        if too_long(event.text):
            event.stop()
            event.prevent_default()
            self.post_message(self.Refused())

    def get_line(self, line_index: int) -> Text:
        line = self.document.get_line(line_index)
        if line.isprintable():
            return Text(line, end="", no_wrap=True)
        # One character for one: the cursor and the selection count characters.
        shown = "".join(one if one == "\t" or harmless(one) == one else "?" for one in line)
        return Text(shown, end="", no_wrap=True)
