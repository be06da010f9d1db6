"""The pane in which a message is written: the field, its format, its size, and what is wrong."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from app.publisher.choice import Choice
from app.publisher.drafts import Drafts
from app.publisher.message_area import MessageArea, too_long
from app.publisher.recall import Recall, Steps
from app.publisher.sizes import in_words, size_fault, size_of
from app.publisher.verdict import Format, verdict
from app.screens.symbols import Symbols
from app.text import harmless

_TOO_LONG = "it is too long to be edited here; from a file it can be sent, with Ctrl+O"


class Composer(Vertical):
    """Writes a message to one topic; each topic has its own draft.

    What is wrong with the message stands under it in a sentence, and then it is not sent.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,ctrl+j,ctrl+enter", "send", "Send", id="compose.send"),
        Binding("f4", "one_line", "One line", id="compose.one_line"),
        Binding("f3", "format", "Format", show=False, id="compose.format"),
        Binding("ctrl+l", "clear", "Clear", show=False, id="compose.clear"),
    ]

    class Submitted(Message):
        """A message is to be sent; nothing is wrong with it."""

        def __init__(self, topic: str, text: str) -> None:
            super().__init__()
            self.topic = topic
            self.text = text

    def __init__(self, drafts: Drafts, recall: Recall, symbols: Symbols) -> None:
        super().__init__(id="compose", classes="pane")
        self.topic = ""
        self.format = Format.AUTO
        self.limit = 0  # bytes; 0 as long as it is not known
        self._drafts = drafts
        self._steps = Steps(recall)
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        with Horizontal(id="formats"):
            yield Static("Format F3", classes="label", markup=False)
            yield Choice([*Format], id="format", can_focus=False)
            yield Static("F4 one line", id="one-line", markup=False)
        yield MessageArea()
        yield Static(id="compose-told", classes="fault", markup=False)

    def on_mount(self) -> None:
        self.tell("")
        self._show_topic()

    # what the screen says and asks

    @property
    def area(self) -> MessageArea:
        return self.query_one(MessageArea)

    def choose(self, topic: str) -> None:
        """Write to `topic` from now on, beginning with its draft.

        What was typed before any topic was chosen is for this one; Ctrl+Z gives the draft.
        """
        if topic == self.topic:
            return
        before, typed = self.topic, self.area.text
        self._drafts.keep(before, typed)
        self.topic = topic
        self.area.text = self._drafts.of(topic)
        self.area.move_cursor(self.area.document.end)
        if typed and not before:
            self._drafts.keep("", "")
            self.area.put(typed)
        self._show_topic()
        self.tell("")

    def load(self, text: str) -> None:
        """Put `text` in the place of what is typed; Ctrl+Z takes it back."""
        if too_long(text):
            self.tell(_TOO_LONG)
            return
        self.area.put(text)
        self.area.focus()
        if self.area.text != text:
            self.tell("its line ends cannot be edited as they were; they are newlines now")

    def sent(self) -> None:
        """The message is accepted: make room for the next one."""
        self.area.put("")
        self.tell("")

    def tell(self, sentence: str) -> None:
        """Say under the message what is wrong; "" for nothing."""
        told = self.query_one("#compose-told", Static)
        told.update(Content(f"{self._symbols.failed} {harmless(sentence)}" if sentence else ""))
        told.display = bool(sentence)

    # what a person does

    @on(MessageArea.Entered)
    def action_send(self) -> None:
        text = self.area.text
        fault = self._fault(text)
        if fault:
            self.tell(fault)
        else:
            self.post_message(self.Submitted(self.topic, text))

    def action_one_line(self) -> None:
        self.area.one_line = not self.area.one_line
        self.set_class(self.area.one_line, "-one-line")
        words = "Enter sends" if self.area.one_line else "F4 one line"
        self.query_one("#one-line", Static).update(Content(words))

    def action_format(self) -> None:
        self.query_one(Choice).action_step(1)

    @on(Choice.Chosen)
    def _format_chosen(self, event: Choice.Chosen) -> None:
        self.format = Format(event.name)
        self._look()

    def action_clear(self) -> None:
        self.area.put("")

    @on(MessageArea.Refused)
    def _refused(self) -> None:
        self.tell(_TOO_LONG)

    @on(MessageArea.Stepped)
    def _step(self, event: MessageArea.Stepped) -> None:
        step = self._steps.older if event.older else self._steps.newer
        text = step(self.area.text)
        if text is not None:
            self.area.put(text)

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._drafts.keep(self.topic, self.area.text)
        self.tell(self._fault_to_show())
        self._look()

    # what follows

    def _fault(self, text: str) -> str:
        """Return why `text` cannot be sent, in a sentence, or ""."""
        if not self.topic:
            return "no topic is chosen: Enter on one in Topics chooses it, n makes a new one"
        if not text:
            return "there is nothing to send: type a message first"
        judged = verdict(text, self.format)
        if judged.blocks:
            return f"{judged.words}; correct it, or press F3 for another format"
        return size_fault(text, self.limit) or "" if self.limit else ""

    def _fault_to_show(self) -> str:
        """What is said while one types: only what is too large, which typing on makes worse."""
        return size_fault(self.area.text, self.limit) or "" if self.limit else ""

    def _look(self) -> None:
        """Say in the border what the message is and how big."""
        text = self.area.text
        limit = f" of {in_words(self.limit)}" if self.limit else ""
        words = f"{verdict(text, self.format).words}   {in_words(size_of(text))}{limit}"
        self.border_subtitle = Content(words)

    def _show_topic(self) -> None:
        to = f" to {harmless(self.topic)}" if self.topic else ""
        self.border_title = Content(f"Message{to}")
        self._look()
