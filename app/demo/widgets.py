"""The parts of the presenter's screen: its bar, its panes, and the narration below them."""

from textual.app import RenderResult
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from app.demo.drawing import Drawing
from app.demo.events import Pane
from app.demo.presenter import Phase, Presenter
from app.demo.signs import in_signs
from app.screens.symbols import Symbols
from app.screens.words import shortened
from app.text import harmless

KEYS = (
    ("p", "publish"),
    ("k", "cut Ada's cable"),
    ("e", "Eve out or in"),
    ("f", "flood 2,000/s"),
    ("c", "kill -9 the broker"),
)


class Bar(Widget):
    """The row on top: what this is, and how far it has come."""

    DEFAULT_CSS = "Bar { height: 1; dock: top; background: $panel; }"

    where: reactive[str] = reactive("")
    progress: reactive[str] = reactive("")

    def render(self) -> RenderResult:
        right = f"{self.progress} "
        left = shortened(f" pubsub demo  {self.where}", self.size.width - len(right) - 1)
        gap = max(self.size.width - len(left) - len(right), 1)
        return Content.assemble((left[:12], "bold"), left[12:], " " * gap, (right, "bold"))


class PaneView(Widget, can_focus=True):
    """One of the three panes. It draws what the scene holds; nothing of it is kept here."""

    class Wanted(Message):
        """The pane was clicked twice: it is to be shown alone, or with the others again."""

        def __init__(self, pane: Pane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, pane: Pane, number: int, presenter: Presenter, symbols: Symbols) -> None:
        super().__init__(id=pane.lower(), classes="pane")
        self.border_title = Content(f"{number} {pane}")
        self.pane = pane
        self._presenter = presenter
        self._symbols = symbols

    def render(self) -> RenderResult:
        now = self.app.now()  # type: ignore[attr-defined]  # the clock of DemoApp
        drawing = Drawing(self._presenter.scene, self._symbols, now)
        return drawing.pane(self.pane, *self.content_size)

    def on_click(self, event: Click) -> None:
        if event.chain == 2:
            self.post_message(self.Wanted(self.pane))


class Narration(Static):
    """What is to be seen, what is expected of it, and what came."""

    def __init__(self, presenter: Presenter, symbols: Symbols) -> None:
        super().__init__(id="narration", classes="pane")
        self._presenter = presenter
        self._symbols = symbols

    def show(self, *, short: bool, tiny: bool) -> None:
        """Draw it anew; where there is little room, the keys are left to the help."""
        presenter = self._presenter
        step = presenter.step
        self.border_title = Content(self._title())
        self.border_subtitle = Content(f"speed {presenter.scene.speed:g}x  +/-")
        lines = [self._story(short=short)]
        if step is not None:
            lines.append(self._outcome(step.expected, short=short))
        if short:
            lines = [*lines[:1], self._said()] if presenter.said.text else lines
        else:
            lines += [self._said(), self._keys(tiny=tiny)]
        self.update(Content("\n").join(lines))

    def _title(self) -> str:
        step, number = self._presenter.step, self._presenter.number
        if step is None:
            return "What you are seeing"
        return f"{number} {in_signs(step.title, self._symbols)}"

    def _story(self, *, short: bool) -> Content:
        presenter, step = self._presenter, self._presenter.step
        match presenter.phase:
            case Phase.STARTING:
                return Content(presenter.words.starting)
            case Phase.BROKEN:
                fault = harmless(presenter.fault)
                return Content.assemble(
                    (f"{self._symbols.failed} The stage could not be set. ", "$text-error bold"),
                    f"{fault}\nr tries again, q leaves.",
                )
            case Phase.REPLAYING:
                return Content(
                    f"Setting the stage afresh: {presenter.words.place}, a new broker, and the"
                    " steps before are played once more."
                )
        if step is None:
            welcome = _WELCOME_SHORT if short else _WELCOME
            return Content(welcome.format(presenter.words.name))
        return Content(in_signs(step.narration, self._symbols))

    def _outcome(self, expected: str, *, short: bool) -> Content:
        outcome = self._presenter.outcome
        if outcome is None:
            said = in_signs(expected, self._symbols)
            return Content("") if short else Content.styled(f"Expected: {said}", "$text-muted")
        came = in_signs(harmless(outcome.came), self._symbols)
        if outcome.ok:
            return Content.assemble((f"{self._symbols.stored} {came}", "$text-success bold"))
        wanted = in_signs(harmless(outcome.expected), self._symbols)
        return Content.assemble(
            (f"{self._symbols.failed} FAILED  ", "$text-error bold"),
            ("expected: ", "bold"),
            f"{wanted}\n",
            ("came: ", "$text-error bold"),
            came,
        )

    def _said(self) -> Content:
        """What came of a key between two steps."""
        said = self._presenter.said
        text = in_signs(harmless(said.text), self._symbols)
        return Content.styled(text, "$text-error bold" if said.failed else "$text-accent")

    def _keys(self, *, tiny: bool) -> Content:
        ready = self._presenter.phase is Phase.READY and self._presenter.number > 0
        key, words = ("$text-accent bold", "") if ready else ("$text-muted", "$text-muted")
        parts: list[tuple[str, str]] = []
        for name, does in KEYS:
            parts += [(f"[{name}]", key), (f" {does.split()[0] if tiny else does}  ", words)]
        return Content.assemble(*parts)


_WELCOME_SHORT = (
    "A broker runs as a process of its own, with sample data in real {}. Nothing you"
    " see is made up. Space begins."
)
_WELCOME = (
    "A publisher, a broker and its subscribers: real clients, a real broker in a process of its"
    " own, real {} under it. Every number is measured as you look. Space begins."
)
