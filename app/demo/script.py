"""Plays the steps as plain text, and exits 0 only if every step brought what it should."""

import asyncio
import logging
import signal
import sys
from time import perf_counter

from rich.console import Console
from rich.text import Text

from app.demo.events import Event, Mark
from app.demo.outcome import Outcome
from app.demo.play import Play
from app.demo.presenter import CANNOT_BE_SET
from app.demo.signs import in_signs, sign
from app.demo.stage import Stage
from app.demo.steps import Step, steps_on
from app.demo.stores import Stores
from app.exits import FAILED
from app.screens.symbols import symbols, terminal_is_ascii
from app.text import harmless
from broker.store.errors import StoreUnusable
from clients import Phase, State

LINE_WIDTH = 160  # characters of a line that are shown
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(stores: Stores) -> None:
    logging.getLogger("pubsub").addHandler(logging.NullHandler())  # what counts is in the script
    sys.exit(asyncio.run(_run(stores)))


async def _run(stores: Stores) -> int:
    """Play the steps; whatever ends this, nothing of it is left running or lying about."""
    loop = asyncio.get_running_loop()
    playing = asyncio.ensure_future(_play(stores))
    caught: list[int] = []

    def interrupt(number: int) -> None:
        caught.append(number)
        if len(caught) == 1:  # a second one does not stop the cleaning up
            playing.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, interrupt, number)
    try:
        return await playing
    except asyncio.CancelledError:
        return 128 + caught[0]
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def _play(stores: Stores) -> int:
    script = Script()
    try:
        return await _play_and_clear_away(stores, script)
    except StoreUnusable as error:
        script.fails(error)
        return FAILED


async def _play_and_clear_away(stores: Stores, script: "Script") -> int:
    """Play the steps, and remove what they stood on however that ends."""
    stage = Stage(stores, script)
    try:
        return await _play_all(stores, stage, script)
    except CANNOT_BE_SET as error:
        script.fails(error)
        return FAILED
    finally:
        await stage.strike(keep_store=True)  # all of them go at once
        await stores.stop()


async def _play_all(stores: Stores, stage: Stage, script: "Script") -> int:
    words = stores.words
    script.line(f"pubsub: a real broker on real {words.name}, real clients, nothing made up.")
    script.line(words.starting)
    began = perf_counter()
    await stores.start()
    play = Play(stage, steps_on(words.kept))
    await play.begin()
    took_s = perf_counter() - began
    script.line(f"The broker listens on 127.0.0.1:{stage.port} after {took_s:.1f} s.")
    while not play.over:
        script.announces(play.done + 1, len(play.steps), play.steps[play.done])
        script.ends(await play.next())
    if not play.outcomes[-1].ok:
        return FAILED
    script.line(f"\nAll {len(play.steps)} steps did what they say.", style="bold green")
    return 0


class Script:
    """An audience that reads. It needs no time to look."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._symbols = symbols(ascii_only=terminal_is_ascii())

    def line(self, text: str, style: str = "") -> None:
        self._console.print(Text(in_signs(text, self._symbols), style=style))

    def fails(self, error: Exception) -> None:
        self.line(harmless(str(error)), style="bold red")

    def announces(self, number: int, of: int, step: Step) -> None:
        self.line(f"\nStep {number} of {of}: {step.title}", style="bold")
        self.line(f"  {step.narration}", style="dim")
        self.line(f"  expected: {step.expected}", style="dim")

    def ends(self, outcome: Outcome) -> None:
        if outcome.ok:
            self.line(f"  ok: {harmless(outcome.came)}", style="green")
        else:
            self.line(f"  FAILED: expected {harmless(outcome.expected)}", style="bold red")
            self.line(f"              came {harmless(outcome.came)}", style="bold red")

    # as an audience

    def told(self, event: Event) -> None:
        if event.many or event.mark is Mark.SENT:
            return  # of a message that is sent the answer tells enough
        text = harmless(event.text)
        if len(text) > LINE_WIDTH:
            text = text[:LINE_WIDTH] + " ..."
        note = f"   ({event.note.strip()})" if event.note else ""
        self.line(f"  {event.who:>10} {sign(event.mark, self._symbols):<2} {text}{note}")

    def stands(self, who: str, state: State) -> None:
        if state.phase is Phase.RECONNECTING and state.attempt == 1:
            self.line(f"  {who:>10} {self._symbols.reconnecting:<2} connection lost; trying again")

    async def beat(self, seconds: float) -> None:
        await asyncio.sleep(0)
