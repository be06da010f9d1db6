"""What the presenter's screen looks like, at each size, with nothing that is measured in it."""

import asyncio
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.app import App

from app.demo.app import DemoApp
from app.demo.drawing import Drawing
from app.demo.events import Event, Mark, Pane
from app.demo.outcome import Outcome
from app.demo.play import Play
from app.demo.postgres import TemporaryPostgres
from app.demo.presenter import Phase, Said
from app.demo.scene import Place, Scene
from app.demo.stage import Stage
from app.demo.steps import STEPS
from app.screens.symbols import symbols
from broker.store.errors import StoreUnusable
from clients import Phase as Connection
from clients import State
from tests.app.demo.conftest import Shown
from tests.app.frames import SIZES, Looks, frame, settled, until

pytestmark = pytest.mark.slow


class NeverThere(TemporaryPostgres):
    """PostgreSQL that takes for ever to start."""

    async def start(self) -> None:
        await asyncio.Event().wait()


def fill(scene: Scene) -> None:
    """Put on the scene what the fourth step might show."""
    for who, phase in (("bob", "live"), ("ada", "live"), ("eve", "offline"), ("tien", "live")):
        scene.stands(who, State(Connection(phase)))
    line = '{"action":"success","code":0}'
    scene.told(Event(Pane.PUBLISHER, "bob", Mark.ASKED, '{"action": "list_topics"}'))
    scene.told(Event(Pane.PUBLISHER, "bob", Mark.ANSWERED, line))
    for row, text in enumerate(["the roses are open", "so are the tulips", "and the asters"], 1):
        scene.told(Event(Pane.PUBLISHER, "bob", Mark.SENT, text, row=row))
        if row < 3:
            scene.told(Event(Pane.PUBLISHER, "bob", Mark.STORED, text, f"{row}  1.2 ms", row))
        scene.told(Event(Pane.SUBSCRIBER, "ada", Mark.LIVE, text, f"{row}"))
    scene.told(Event(Pane.PUBLISHER, "bob", Mark.CONFIRMED, "", "1  2 of 2", 1))
    scene.told(Event(Pane.SUBSCRIBER, "tien", Mark.UNREAD, "order 1 shipped", "ORDERS 3"))
    scene.told(Event(Pane.BROKER, "broker", Mark.FACT, "process 4711 serves", "0.51 s"))
    scene.is_at(12, [Place("ada", 12, 0, True), Place("eve", 8, 4, False)])


class NoBroker:
    pid = 4711

    async def kill(self) -> None:
        pass


async def set_as(pilot: Any, outcome: Outcome | None, said: str = "") -> None:
    """Show the filled scene on a stage that is only said to be there."""
    app = pilot.app
    assert isinstance(app, DemoApp)
    await until(pilot, "Starting PostgreSQL")
    presenter = app.presenter
    stage = Stage(NeverThere(), presenter.scene)
    stage.broker, stage.port = NoBroker(), 3000  # type: ignore[assignment]
    presenter.play = Play(stage)
    presenter.play.outcomes += [outcome or Outcome(True, "", "")] * 4
    presenter._step, presenter.phase = STEPS[3], Phase.READY
    presenter.said = Said(said)
    fill(presenter.scene)
    await until(pilot, "step 4 of 7")


@pytest.mark.parametrize("size", SIZES)
async def test_the_screen_at_each_size(
    shown: Shown, frames: SnapshotAssertion, size: tuple[int, int]
) -> None:
    async with shown(size, stores=NeverThere(), speed=1.0) as pilot:
        await until(pilot, "Starting PostgreSQL")
        assert await settled(pilot, frames(name="starting")) == frames
        await set_as(pilot, Outcome(True, "", "4 unread in order, then 1 live"))
        assert await settled(pilot, frames(name="a step is over")) == frames
        await pilot.press("2")
        assert await settled(pilot, frames(name="the broker alone")) == frames


@pytest.mark.parametrize("size", SIZES)
async def test_a_failed_step_at_each_size(
    shown: Shown, frames: SnapshotAssertion, size: tuple[int, int]
) -> None:
    failed = Outcome(False, "eve: 4 messages, 'one' to 'four'", "eve: 'one', 'three', 'four'")
    async with shown(size, stores=NeverThere(), speed=1.0) as pilot:
        await set_as(pilot, failed)
        assert await settled(pilot, frames) == frames


class NoPostgres(TemporaryPostgres):
    """PostgreSQL that cannot start."""

    async def start(self) -> None:
        raise StoreUnusable("There is no room on the disk of /tmp/pubsub-demo.")


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_each_phase_at_each_size(shown: Shown, looks: Looks, size: tuple[int, int]) -> None:
    async with shown(size, stores=NeverThere(), speed=1.0) as pilot:
        await set_as(pilot, None)
        app = pilot.app
        assert isinstance(app, DemoApp)
        presenter, play = app.presenter, app.presenter.play
        assert play is not None
        del play.outcomes[3:]
        presenter.phase = Phase.PLAYING
        await looks(pilot, "a step is played")
        presenter.auto = True
        await looks(pilot, "auto-play")
        presenter.auto, presenter.phase = False, Phase.REPLAYING
        await looks(pilot, "set afresh")
        presenter.phase = Phase.READY
        presenter.said = Said("expected the broker back; came: it is away", failed=True)
        await looks(pilot, "an act that failed")
        await pilot.press("1")
        await looks(pilot, "the publisher alone")
        await pilot.press("3")
        await looks(pilot, "the subscribers alone")
        await pilot.press("question_mark")
        await looks(pilot, "help")


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_ends_at_each_size(shown: Shown, looks: Looks, size: tuple[int, int]) -> None:
    async with shown(size, stores=NoPostgres(), speed=1.0) as pilot:
        app = pilot.app
        assert isinstance(app, DemoApp)
        await looks(pilot, "no stage")
        await pilot.press("space")
        await looks(pilot, "what to press")
        presenter = app.presenter
        stage = Stage(NeverThere(), presenter.scene)
        stage.broker, stage.port = NoBroker(), 3000  # type: ignore[assignment]
        presenter.play, presenter.phase, presenter.said = Play(stage), Phase.READY, Said("")
        await looks(pilot, "before the first step")
        presenter.play.outcomes += [Outcome(True, "", "2,000 of 2,000 delivered")] * len(STEPS)
        presenter._step = STEPS[-1]
        fill(presenter.scene)
        await until(pilot, "2,000 of 2,000")
        await pilot.press("space")
        await looks(pilot, "after the last step")


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_what_each_step_tells_at_each_size(
    shown: Shown, frames: SnapshotAssertion, size: tuple[int, int]
) -> None:
    """Before it is over and afterwards; the panes above are left out."""
    async with shown(size, stores=NeverThere(), speed=1.0) as pilot:
        await set_as(pilot, None)
        app = pilot.app
        assert isinstance(app, DemoApp)
        presenter, play = app.presenter, app.presenter.play
        assert play is not None
        for number, step in enumerate(STEPS, 1):
            play.outcomes[:] = [Outcome(True, "", "as expected")] * (number - 1)
            presenter._step, presenter.phase = step, Phase.PLAYING
            assert await settled(pilot, frames(name=f"{number} is played"), _narration) == frames
            play.outcomes.append(Outcome(True, "", f"the end of step {number}"))
            presenter.phase = Phase.READY
            assert await settled(pilot, frames(name=f"{number} is over"), _narration) == frames


def _narration(app: App[Any]) -> str:
    region = app.screen.query_one("#narration").region
    return "\n".join(frame(app).splitlines()[region.y : region.bottom])


async def test_the_screen_in_ascii_has_no_other_character(
    shown: Shown, frames: SnapshotAssertion
) -> None:
    async with shown(stores=NeverThere(), speed=1.0, ascii_only=True) as pilot:
        await set_as(pilot, Outcome(True, "", "3 ✓✓; all there"), said="stored as 4")
        assert await settled(pilot, frames) == frames
        assert frame(pilot.app).isascii()


HOSTILE = ["[/x]", "[bold]", "\x1b[2J\x1b[31m", "a\x00b", "\u202eabc", "日本語" * 9, "e\u0301" * 40]


@pytest.mark.parametrize("text", [*HOSTILE, "x" * 1_000_000])
def test_no_text_leaves_its_place_or_drives_the_terminal(text: str) -> None:
    scene = Scene()
    scene.stands("ada", State(Connection.REFUSED, why=text))
    for pane in Pane:
        for mark in Mark:
            scene.told(Event(pane, "ada", mark, text, "1", row=1 if mark is Mark.SENT else 0))
    for width in (28, 31, 58, 98):
        for pane in Pane:
            drawn = Drawing(scene, symbols(ascii_only=False), 0.0).pane(pane, width, 40)
            lines = drawn.split("\n", allow_blank=True)
            assert len(lines) == 40
            assert all(line.cell_length <= width for line in lines)
            plain = drawn.plain.replace("\n", "")
            assert plain.isprintable() or "\u0301" in plain
            assert not {"\x1b", "\x00", "\u202e"} & set(plain)


def test_a_rate_is_drawn_while_there_is_much_and_its_peak_afterwards() -> None:
    scene = Scene()
    for second, total in enumerate([0, 900, 2_000, 2_000]):
        scene.stored.total = total
        scene.sample(float(second))
        drawn = Drawing(scene, symbols(ascii_only=False), 0.0).pane(Pane.PUBLISHER, 40, 8).plain
        if second == 2:
            assert "▇█" in drawn or "█" in drawn
            assert "1,100/s stored" in drawn
    assert "peak 1,100/s stored" in drawn


def test_more_rows_than_are_kept_push_the_oldest_out() -> None:
    scene = Scene()
    for row in range(1, 2_000):
        scene.told(Event(Pane.PUBLISHER, "bob", Mark.SENT, f"m{row}", row=row, many=True))
    scene.told(Event(Pane.PUBLISHER, "bob", Mark.STORED, "m1", "1", row=1, many=True))
    rows = [*scene.latest(Pane.PUBLISHER)]
    assert (rows[0].text, len(rows)) == ("m1999", 500)
    assert scene.stored.total == 1
