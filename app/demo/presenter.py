"""What a presenter wants, carried out one thing after the other, whoever shows it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from app.demo import acts
from app.demo.actors import Reader
from app.demo.broker_process import CannotStart
from app.demo.outcome import Outcome, failure
from app.demo.play import Play
from app.demo.scene import Place, Scene
from app.demo.stage import Stage
from app.demo.steps import Step, steps_on
from app.demo.stores import Stores, Words
from broker.store.errors import StoreUnusable
from clients import PubSubError

WATCH_S = 0.15
CANNOT_BE_SET = (StoreUnusable, CannotStart, OSError, PubSubError)
_FAULTS = frozenset({"cut", "kill", "eve"})


@dataclass(frozen=True, slots=True)
class Said:
    """What came of something that was wanted between two steps."""

    text: str
    failed: bool = False


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    PLAYING = "playing"
    REPLAYING = "replaying"
    BROKEN = "broken"  # the stage could not be set; `fault` says why


class Presenter:
    """Plays a `Play` as its keys are pressed.

    Back and reset set the stage afresh, and play the steps before once more without pauses:
    what is seen then is as true as it was the first time.
    """

    def __init__(
        self, stores: Stores, scene: Scene, pace_s: float, steps: Sequence[Step] | None = None
    ) -> None:
        self.scene = scene
        self.phase = Phase.STARTING
        self.fault = ""
        self.play: Play | None = None
        self.auto = False
        self.said = Said("")
        self.acting: list[str] = []  # what runs beside the steps
        self._stores = stores
        self._pace_s = pace_s
        self.steps = steps if steps is not None else steps_on(stores.words.kept)
        self._setting: Stage | None = None  # whether it is set yet or not
        self._step: Step | None = None
        self._target = 0  # how many steps are to be played once more
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._dry = asyncio.Event()  # stops a flood
        self._waiting: asyncio.Task[None] | None = None  # for the next step, when on auto-play

    # what is to be seen

    @property
    def words(self) -> Words:
        """What is said of the store."""
        return self._stores.words

    @property
    def stage(self) -> Stage | None:
        return self.play.stage if self.play is not None else None

    @property
    def step(self) -> Step | None:
        """The step that is played, or was played last."""
        return self._step

    @property
    def number(self) -> int:
        """The number of that step, from 1 on; 0 before the first."""
        if self.play is None:
            return 0
        return self.play.done + (self.phase is Phase.PLAYING)

    @property
    def outcome(self) -> Outcome | None:
        """What came of the step, once it is over."""
        if self.play is None or self.phase is not Phase.READY or not self.play.outcomes:
            return None
        return self.play.outcomes[-1]

    # what can be wanted

    def begin(self) -> None:
        self._run(self._begin())

    def next(self) -> None:
        """Play the next step; one that is played already goes on without pauses."""
        if self.phase is Phase.PLAYING:
            self.scene.hurry()
        elif self.phase is Phase.BROKEN:
            self._say("press r to try again, q to leave", failed=True)
        elif self.phase is Phase.READY and self.play is not None:
            if self.play.over:
                self._say(_what_now(self.play))
                self.auto = False
            else:
                self.phase = Phase.PLAYING
                self._run(self._next(self.play))

    def back(self) -> None:
        if self.play is not None and self.phase is not Phase.STARTING:
            self.auto = False
            now = self._target if self.phase is Phase.REPLAYING else self.number
            self._go_to(max(now - 1, 0))

    def reset(self) -> None:
        self.auto = False
        if self.phase is Phase.STARTING:
            return
        if self.play is None:
            self.begin()
        else:
            self._go_to(0)

    def toggle_auto(self) -> None:
        self.auto = not self.auto
        if not self.auto:
            self._stop_waiting()
        elif self.phase is Phase.READY:
            self.next()

    def publish(self) -> None:
        self._act("publish", acts.publish, 1)

    def eve(self) -> None:
        self._act("eve", acts.eve_signs_in_or_out, 3)

    def cut(self) -> None:
        self._act("cut", acts.cut, 1)

    def kill(self) -> None:
        self._act("kill", acts.kill, 1)

    def flood(self) -> None:
        """Begin a flood, or end the one there is."""
        if "flood" in self.acting:
            self._dry.set()
            return
        self._dry.clear()
        self._act("flood", lambda stage: acts.pour(stage, self._dry), 1)

    async def close(self) -> None:
        """End everything. Harmless when repeated.

        Raises:
            StoreUnusable: something in the store could not be removed; the text says what.
        """
        await self._stop_all()
        await self._clear_away()

    # carrying it out

    async def _begin(self) -> None:
        self.phase, self.fault = Phase.STARTING, ""
        self._setting = Stage(self._stores, self.scene)
        play = Play(self._setting, self.steps)
        try:
            await self._stores.start()
            await play.begin()
        except CANNOT_BE_SET as error:
            with suppress(StoreUnusable):  # it is tried again, in the end at the latest
                await self._clear_away()
            self.phase, self.fault = Phase.BROKEN, str(error)
            return
        self.play = play
        self._ready()

    async def _clear_away(self) -> None:
        if self._setting is not None:
            await self._setting.strike(keep_store=True)  # all of them go at once
        await self._stores.stop()

    async def _next(self, play: Play) -> None:
        await self._acts_end()
        self._step = play.steps[play.done]
        self._say("")
        self.scene.step_begins()
        outcome = await play.next()
        self.phase = Phase.READY
        if not outcome.ok or play.over:
            self.auto = False
        if self.auto:
            self._waiting = self._run(self._next_after_a_while())

    async def _next_after_a_while(self) -> None:
        await asyncio.sleep(self._pace_s / self.scene.speed)
        self._waiting = None
        if self.auto:
            self.next()

    def _go_to(self, done: int) -> None:
        self.phase, self._target = Phase.REPLAYING, done
        self._run(self._replay(done))

    async def _replay(self, done: int) -> None:
        await self._stop_all(besides=asyncio.current_task())
        play = self.play
        assert play is not None
        self.scene.clear()
        self.scene.replaying = True
        self._step = None
        self._say("")
        try:
            await play.back_to(done)
        except CANNOT_BE_SET as error:
            self.phase, self.fault = Phase.BROKEN, str(error)
            return
        finally:
            self.scene.replaying = False
        self._step = play.steps[play.done - 1] if play.done else None
        self._ready()

    def _ready(self) -> None:
        self.phase = Phase.READY
        self._watching = self._run(self._watch())
        if self.auto:
            self.next()

    def _say(self, text: str, *, failed: bool = False) -> None:
        self.said = Said(text, failed)

    def _act(self, name: str, act: Callable[[Stage], Awaitable[str]], least: int) -> None:
        """Do `act` beside whatever else runs, once steps up to `least` have been played."""
        if self.phase is not Phase.READY or self.play is None:
            self._say("when the step is over")
        elif self.play.done < least:
            self._say(f"play step {least} first: Space")
        elif name in _FAULTS and _FAULTS.intersection(self.acting):
            self._say("one fault at a time")
        else:
            self.acting.append(name)
            self._run(self._do(name, act(self.play.stage)))

    async def _do(self, name: str, work: Awaitable[str]) -> None:
        try:
            self._say(await work)
        except Exception as error:  # whatever it is, it is shown
            outcome = failure("that it works", error)
            self._say(f"expected {outcome.expected}; came {outcome.came}", failed=True)
        finally:
            self.acting.remove(name)

    async def _acts_end(self) -> None:
        """Wait until nothing runs beside the steps."""
        self._dry.set()
        self._stop_waiting()
        own = {asyncio.current_task(), self._watching}
        if others := self._tasks - own:
            await asyncio.wait(others)

    def _stop_waiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting is not asyncio.current_task():
            waiting.cancel()

    async def _stop_all(self, *, besides: asyncio.Task[None] | None = None) -> None:
        tasks = self._tasks - {besides}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.acting.clear()

    def _run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.phase, self.fault = Phase.BROKEN, repr(error)

    # looking at the broker

    async def _watch(self) -> None:
        """Keep the scene up to what the broker says of itself."""
        stage = self.stage
        assert stage is not None
        while True:
            with suppress(PubSubError, OSError):  # it is away; the next look may find it
                self.scene.is_at(*await self._look(stage))
            await asyncio.sleep(WATCH_S)

    async def _look(self, stage: Stage) -> tuple[int, list[Place]]:
        head, places = 0, []
        for actor in stage.actors:
            if isinstance(actor, Reader) and actor.known:
                async with asyncio.timeout(1.0):
                    seen = await stage.seen_by(actor)
                if seen is not None and seen.subscribed:
                    head = seen.head
                    cursor = seen.head - seen.unread
                    places.append(Place(actor.name, cursor, seen.unread, actor.present))
        return head, places


def _what_now(play: Play) -> str:
    if play.outcomes[-1].ok:
        return "that was the last step; r begins anew, b goes back"
    return "the step failed; r begins anew, b goes back"
