"""The presenter's screen: every key a presenter presses, on a real stage."""

import os
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from app.demo.app import DemoApp
from app.demo.events import Pane
from app.demo.jetstream import GivenJetStream
from app.demo.outcome import Missed
from app.demo.postgres import TemporaryPostgres
from app.demo.stage import Stage
from app.demo.steps import STEPS, Step
from broker.store.errors import StoreUnusable
from tests.app.demo.conftest import Shown
from tests.app.frames import gone, until
from tests.nats import NatsServer

PATIENCE_S = 30.0


async def shows(pilot: Pilot[Any], text: str) -> str:
    return await until(pilot, text, PATIENCE_S)


async def play(pilot: Pilot[Any], came: str) -> str:
    """Play the next step until it shows what came of it."""
    await pilot.press("space")
    return await shows(pilot, came)


async def test_space_plays_step_after_step_and_each_shows_what_came(shown: Shown) -> None:
    async with shown() as pilot:
        await shows(pilot, "Space begins")
        await shows(pilot, "serving")
        first = await play(pilot, "✓ 2 accounts and GARDEN")
        assert "step 1 of 7" in first
        assert '{"action":"success"' in first  # the very lines on the wire
        second = await play(pilot, "3 ✓✓; the slowest was on disk after")
        assert "✓✓ the roses" in second
        third = await play(pilot, "ada has 3, eve the 2 of her time")
        assert "✓✓ and once more" in third
        await shows(pilot, "eve  ━━━━━━━━━━━━━━━━● 6")  # her cursor, as the broker says
        fourth = await play(pilot, "eve: 4 unread in order, then 1 live")
        assert "tien ┃  order 1" in fourth
        assert "step 4 of 7" in fourth


async def test_space_in_a_step_ends_its_pauses(shown: Shown) -> None:
    async with shown(speed=0.25) as pilot:
        await shows(pilot, "serving")
        await pilot.press("space")
        await shows(pilot, "playing")
        await pilot.press("space")
        await shows(pilot, "✓ 2 accounts")


async def test_back_and_reset_set_the_stage_afresh_and_play_again(shown: Shown) -> None:
    async with shown() as pilot:
        app = pilot.app
        assert isinstance(app, DemoApp)
        await shows(pilot, "serving")
        await play(pilot, "✓ 2 accounts")
        await play(pilot, "3 ✓✓")
        before = app.presenter.scene.process
        await pilot.press("b")
        await shows(pilot, "Setting the stage afresh")
        again = await shows(pilot, "✓ 2 accounts")
        assert "step 1 of 7" in again
        assert "the roses are open" not in again
        assert app.presenter.scene.process != before  # another broker, on another database
        await play(pilot, "3 ✓✓")
        await pilot.press("r")
        await shows(pilot, "Space begins")
        await shows(pilot, "step 0 of 7")
        await play(pilot, "✓ 2 accounts")


async def test_between_the_steps_a_presenter_publishes_cuts_and_kills(shown: Shown) -> None:
    async with shown() as pilot:
        app = pilot.app
        assert isinstance(app, DemoApp)
        await shows(pilot, "serving")
        await pilot.press("k")
        await shows(pilot, "play step 1 first: Space")
        await play(pilot, "✓ 2 accounts")
        await pilot.press("p")
        await shows(pilot, "stored as 1 after")
        await pilot.press("k")
        await shows(pilot, "ada's cable is cut")
        await shows(pilot, "5 came after the cut, once and in order")
        killed = app.presenter.scene.process
        assert killed is not None
        await pilot.press("c")
        await shows(pilot, f"process {killed} killed, another serves after")
        with pytest.raises(ProcessLookupError):
            os.kill(killed, 0)
        await play(pilot, "3 ✓✓")  # and the steps go on


async def test_eve_leaves_what_is_published_waits_and_comes_first(shown: Shown) -> None:
    async with shown(steps=[STEPS[0], Step("", Pane.BROKER, "", "", idle), STEPS[2]]) as pilot:
        await shows(pilot, "serving")
        await play(pilot, "✓ 2 accounts")
        await pilot.press("e")
        await shows(pilot, "play step 3 first")
        await play(pilot, "nothing happened")
        await play(pilot, "ada has 3, eve the 2 of her time")
        await pilot.press("e")
        await shows(pilot, "eve has left")
        await pilot.press("p")
        await shows(pilot, "1 wait")
        await pilot.press("e")
        await shows(pilot, "eve is back: 1 unread came first")


async def test_a_flood_shows_its_rates_and_a_second_press_stops_it(shown: Shown) -> None:
    async with shown() as pilot:
        await shows(pilot, "serving")
        await play(pilot, "✓ 2 accounts")
        await pilot.press("f")
        await shows(pilot, "/s delivered")
        await pilot.press("f")
        await shows(pilot, "99 of 100 within")


async def test_auto_play_goes_on_by_itself_to_the_end(shown: Shown) -> None:
    async with shown(steps=STEPS[:2]) as pilot:
        await pilot.press("a")
        await shows(pilot, "auto")
        await shows(pilot, "the slowest was on disk after")
        await gone(pilot, "auto")
        await pilot.press("space")
        await shows(pilot, "that was the last step; r begins anew, b goes back")


async def idle(stage: Stage) -> str:
    return "nothing happened"


async def missed(stage: Stage) -> str:
    raise Missed("three messages [/x]", "two\x1b[31m of them")


async def broken(stage: Stage) -> str:
    raise KeyError("a fault of the program")


@pytest.mark.parametrize(
    ("act", "expected", "came"),
    [
        (missed, "expected: three messages [/x]", r"came: two\x1b[31m of them"),
        (broken, "expected: it works", "came: KeyError('a fault of the program')"),
    ],
)
async def test_a_step_that_fails_shows_what_was_expected_and_what_came(
    shown: Shown, act: Any, expected: str, came: str
) -> None:
    steps = [Step("It fails", Pane.BROKER, "This one fails.", "it works", act), *STEPS]
    async with shown(steps=steps) as pilot:
        await shows(pilot, "serving")
        await pilot.press("space")
        await shows(pilot, "FAILED")
        await shows(pilot, expected)
        await shows(pilot, came)
        await pilot.press("space")
        await shows(pilot, "the step failed; r begins anew")


class NoPostgres(TemporaryPostgres):
    def __init__(self) -> None:
        super().__init__()
        self.tries = 0

    async def start(self) -> None:
        self.tries += 1
        raise StoreUnusable("there is no room on [/x] the disk")


async def test_a_stage_that_cannot_be_set_says_why_and_can_be_tried_again(shown: Shown) -> None:
    nothing = NoPostgres()
    async with shown(stores=nothing) as pilot:
        await shows(pilot, "there is no room on [/x] the disk")
        await pilot.press("space")
        await shows(pilot, "r tries again")
        await pilot.press("r")
        await shows(pilot, "there is no room")
        assert nothing.tries == 2


async def test_one_pane_fills_the_screen_and_all_come_back(shown: Shown) -> None:
    async with shown() as pilot:
        await shows(pilot, "serving")
        await pilot.press("2")
        alone = await shows(pilot, "╭─ 2 Broker ───────────────────────────────────────────")
        assert "╭─ 1 Publisher" not in alone
        await pilot.press("2")
        await shows(pilot, "╭─ 1 Publisher")
        await pilot.press("tab")
        await pilot.press("tab")
        assert "╭─ 1 Publisher" not in await shows(pilot, "╭─ 2 Broker ─────────────────────────")
        await pilot.press("escape")
        await shows(pilot, "╭─ 1 Publisher")


async def test_a_narrow_screen_shows_the_pane_that_the_step_is_about(shown: Shown) -> None:
    async with shown((80, 24)) as pilot:
        assert "╭─ 2 Broker" not in await shows(pilot, "╭─ 1 Publisher")
        await pilot.press("3")
        await shows(pilot, "╭─ 3 Subscriber")
        app = pilot.app
        assert isinstance(app, DemoApp)
        await pilot.press("2")
        await shows(pilot, "serving")
        await play(pilot, "✓ 2 accounts")
        await shows(pilot, "╭─ 1 Publisher")
        await play(pilot, "3 ✓✓")
        await play(pilot, "ada has 3")
        await shows(pilot, "╭─ 2 Broker")


async def test_the_speed_is_told_and_has_its_bounds(shown: Shown) -> None:
    async with shown(speed=4.0) as pilot:
        await shows(pilot, "speed 4x")
        await pilot.press("plus", "minus", "minus")
        await shows(pilot, "speed 1x")
        await pilot.press("minus", "minus", "minus", "minus")
        await shows(pilot, "speed 0.25x")


async def test_help_names_every_key_and_q_leaves(shown: Shown) -> None:
    async with shown() as pilot:
        await shows(pilot, "serving")
        await pilot.press("question_mark")
        shows_keys = await shows(pilot, "type to search")
        for text in ("Next", "Back one step", "Auto-play", "Reset", "Quit", "Cut Ada's"):
            assert text in shows_keys
        await pilot.press("escape")
        await pilot.press("q")
        await pilot.pause()
        assert pilot.app._exit


async def test_on_nats_it_is_played_the_broker_killed_and_nothing_left(
    shown: Shown, jetstream: str, nats: NatsServer
) -> None:
    before = await nats.streams()
    async with shown(stores=GivenJetStream(jetstream)) as pilot:
        app = pilot.app
        assert isinstance(app, DemoApp)
        assert "temporary data in NATS" in await shows(pilot, "real NATS JetStream")
        await shows(pilot, "serving")
        await play(pilot, "✓ 2 accounts and GARDEN")
        killed = app.presenter.scene.process
        assert killed is not None
        # Everyone on the machine may read this, and a URL may hold a password.
        assert b"nats:" not in Path(f"/proc/{killed}/cmdline").read_bytes()
        await pilot.press("c")
        await shows(pilot, f"process {killed} killed, another serves after")
        first = await nats.streams() - before
        await pilot.press("r")
        await shows(pilot, "step 0 of 7")
        await shows(pilot, "Space begins")
        assert not first & await nats.streams()  # the stage was set afresh, on streams of its own
    assert await nats.streams() == before


async def test_a_nats_that_is_not_there_is_told_of(shown: Shown) -> None:
    async with shown(stores=GivenJetStream("nats://127.0.0.1:1")) as pilot:
        await shows(pilot, "NATS at 127.0.0.1:1 cannot be reached")
        await shows(pilot, "r tries again")
