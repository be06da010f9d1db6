"""The presenter's screen."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer, Static

from app.demo.drawing import Drawing
from app.demo.events import Pane
from app.demo.presenter import Phase, Presenter
from app.demo.steps import Step
from app.demo.widgets import Bar, Narration, PaneView
from app.screens.symbols import Symbols

FRAME_S, SAMPLE_S = 0.1, 0.5


class DemoScreen(Screen[None]):
    """Three panes side by side, or one of them alone; the narration stays below.

    It draws ten times a second, however much happens.
    """

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "next", "Next", key_display="Space", id="demo.next"),
        Binding("question_mark,f1", "app.keys", "Help", key_display="?", show=True),
        Binding("1", "pane('Publisher')", "Full pane", key_display="1/2/3", id="demo.publisher"),
        Binding("2", "pane('Broker')", "Broker alone", show=False, id="demo.broker"),
        Binding("3", "pane('Subscriber')", "Subscriber alone", show=False, id="demo.subscriber"),
        Binding("a", "auto", "Auto-play", id="demo.auto"),
        Binding("r", "reset", "Reset", id="demo.reset"),
        Binding("q", "app.quit", "Quit", id="demo.quit"),
        Binding("b", "back", "Back one step", show=False, id="demo.back"),
        Binding("p", "publish", "Bob publishes a message", show=False, id="demo.publish"),
        Binding("k", "cut", "Cut Ada's connection", show=False, id="demo.cut"),
        Binding("e", "eve", "Eve signs in or out", show=False, id="demo.eve"),
        Binding("f", "flood", "Flood, and stop it", show=False, id="demo.flood"),
        Binding("c", "kill", "Kill and restart the broker", show=False, id="demo.kill"),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False, key_display="+"),
        Binding("minus", "speed(-1)", "Slower", show=False, key_display="-"),
        Binding("tab", "turn(1)", "Next pane", show=False),
        Binding("shift+tab", "turn(-1)", "Pane before", show=False),
        Binding("escape", "all_panes", "All panes", show=False),
    ]

    def __init__(self, presenter: Presenter, symbols: Symbols) -> None:
        super().__init__()
        self._presenter = presenter
        self._symbols = symbols
        self._alone: Pane | None = None  # chosen to be shown alone
        self._step: Step | None = None
        self._wide = False  # there is room for all panes
        self._drawn: object = None  # what the last frame was made of

    def compose(self) -> ComposeResult:
        yield Bar()
        yield Static(id="tabs", markup=False)
        with Horizontal(id="panes"):
            for number, pane in enumerate(Pane, 1):
                yield PaneView(pane, number, self._presenter, self._symbols)
        yield Narration(self._presenter, self._symbols)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._arrange()
        self.set_interval(FRAME_S, self._frame)
        self.set_interval(SAMPLE_S, self._sample)

    # drawing

    def _sample(self) -> None:
        self._presenter.scene.sample(self.app.now())  # type: ignore[attr-defined]

    def _frame(self) -> None:
        """Draw what has changed since the last frame."""
        presenter = self._presenter
        scene, stage = presenter.scene, presenter.stage
        scene.runs_as(stage.broker.pid if stage is not None and stage.broker else None)
        if presenter.step is not self._step:
            self._turn_to(presenter.step)
        if (wide := self.has_class("-wide")) != self._wide:
            self._wide = wide
            self._arrange()
        now = self.app.now()  # type: ignore[attr-defined]  # the clock of DemoApp
        second = int(now) if scene.counting_down() else 0
        outcome, auto = presenter.outcome, presenter.auto
        told = presenter.phase, presenter.number, outcome, auto, presenter.said
        drawn = scene.version, told, second, self.size, self._alone, self.has_class("-short")
        if drawn != self._drawn:
            self._drawn = drawn
            self._draw()

    def _draw(self) -> None:
        presenter = self._presenter
        hidden = presenter.phase is Phase.REPLAYING
        for view in self.query(PaneView):
            view.set_class(hidden, "-replaying")
            view.refresh()
        self._draw_bar()
        short = self.has_class("-short")
        self.query_one(Narration).show(short=short, tiny=not self._wide)
        failed = presenter.outcome is not None and not presenter.outcome.ok
        self.query_one(Narration).set_class(failed or presenter.phase is Phase.BROKEN, "-failed")
        drawing = Drawing(presenter.scene, self._symbols, 0.0)
        self.query_one("#tabs", Static).update(drawing.tabs(self._shown or Pane.PUBLISHER))

    def _draw_bar(self) -> None:
        bar, presenter = self.query_one(Bar), self._presenter
        port = presenter.stage.port if presenter.stage is not None else 0
        data = presenter.words.data
        bar.where = f"a broker of its own on 127.0.0.1:{port}, {data}" if port else ""
        of = len(presenter.steps)
        auto = "auto  " if presenter.auto else ""
        playing = "playing  " if presenter.phase is Phase.PLAYING else ""
        bar.progress = f"{playing}{auto}step {presenter.number} of {of}"

    # which panes

    @property
    def _shown(self) -> Pane | None:
        """The only pane that is shown, or None while all are."""
        if self._alone is None and not self._wide:
            return self._step.look if self._step is not None else Pane.PUBLISHER
        return self._alone

    def _turn_to(self, step: Step | None) -> None:
        """Show the step's own pane where only one can be shown."""
        self._step = step
        if not self._wide:
            self._alone = None
        self._arrange()

    def _arrange(self) -> None:
        for view in self.query(PaneView):
            view.display = self._shown in (None, view.pane)
        self.query_one("#tabs").display = self._shown is not None
        self._drawn = None

    def action_pane(self, name: str) -> None:
        """Show the pane alone; once more, and all are back where there is room."""
        pane = Pane(name)
        self._alone = None if self._alone is pane and self._wide else pane
        self._arrange()

    def action_all_panes(self) -> None:
        self._alone = None
        self._arrange()

    def action_turn(self, by: int) -> None:
        panes = [*Pane]
        now = panes.index(self._shown) if self._shown is not None else -1
        self._alone = panes[(now + by) % len(panes)]
        self._arrange()

    @on(PaneView.Wanted)
    def _wanted(self, event: PaneView.Wanted) -> None:
        self.action_pane(event.pane.value)

    # what a presenter wants

    def action_next(self) -> None:
        self._presenter.next()

    def action_back(self) -> None:
        self._presenter.back()

    def action_auto(self) -> None:
        self._presenter.toggle_auto()

    def action_reset(self) -> None:
        self._presenter.reset()

    def action_publish(self) -> None:
        self._presenter.publish()

    def action_cut(self) -> None:
        self._presenter.cut()

    def action_eve(self) -> None:
        self._presenter.eve()

    def action_flood(self) -> None:
        self._presenter.flood()

    def action_kill(self) -> None:
        self._presenter.kill()

    def action_speed(self, by: int) -> None:
        self._presenter.scene.change_speed(by)
