"""What there is to see on the presenter's screen: an audience that looks."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from app.demo.events import Event, Mark, Pane
from clients import Phase, State

KEPT = 500  # rows of a pane
HISTORY = 40  # samples of a rate
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)

_ROW_AGAIN = {Mark.STORED, Mark.CONFIRMED, Mark.RESENT}  # marks of a row that is there already


@dataclass(slots=True)
class Row:
    """A row of a pane; a publisher's changes its mark when more is known."""

    who: str
    mark: Mark
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subscription stands in the topic, as the broker says."""

    who: str
    cursor: int
    unread: int
    present: bool


@dataclass
class Rate:
    """How many a second, sampled; `total` only ever grows."""

    total: int = 0
    samples: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    _before: tuple[float, int] | None = None

    def sample(self, now: float) -> None:
        if self._before is not None and now > self._before[0]:
            self.samples.append((self.total - self._before[1]) / (now - self._before[0]))
        self._before = now, self.total

    @property
    def busy(self) -> bool:
        """Whether there was much lately."""
        return any(rate >= 50 for rate in self.samples)


class Scene:
    """The rows, connections and figures of the three panes. `version` grows with each change."""

    def __init__(self) -> None:
        self.speed = 1.0
        self.replaying = False  # then there is nothing to look at, and no beat
        self.clear()

    def clear(self) -> None:
        self.version = getattr(self, "version", 0) + 1
        self.states: dict[str, State] = {}
        self.process: int | None = None
        self.head = 0
        self.places: list[Place] = []
        self.stored, self.delivered = Rate(), Rate()
        self._rows: dict[Pane, dict[int, Row]] = {pane: {} for pane in Pane}
        self._numbers = count(-1, -1)  # of rows that have none
        self._hurry = asyncio.Event()

    # as an audience

    def told(self, event: Event) -> None:
        rows = self._rows[event.pane]
        row = rows.get(event.row)
        if row is not None:
            row.mark, row.note = event.mark, event.note
        elif event.mark not in _ROW_AGAIN:
            if len(rows) >= KEPT:
                del rows[next(iter(rows))]
            rows[event.row or next(self._numbers)] = Row(
                event.who, event.mark, event.text, event.note
            )
        if event.mark is Mark.CONFIRMED:
            self._confirm_earlier(rows, event.row)
        elif event.mark in (Mark.STORED, Mark.RESENT):
            self.stored.total += 1
        elif event.mark in (Mark.LIVE, Mark.UNREAD):
            self.delivered.total += 1
        self.version += 1

    def _confirm_earlier(self, rows: dict[int, Row], number: int) -> None:
        """A cursor that has passed a message has passed all before it."""
        for one, row in rows.items():
            if 0 < one < number and row.mark is Mark.STORED:
                row.mark = Mark.CONFIRMED

    def stands(self, who: str, state: State) -> None:
        self.states[who] = state
        self.version += 1

    async def beat(self, seconds: float) -> None:
        """Wait, unless somebody is in a hurry until the end of the step."""
        if self.replaying or self._hurry.is_set():
            return
        try:
            async with asyncio.timeout(seconds / self.speed):
                await self._hurry.wait()
        except TimeoutError:
            pass

    # for the presenter

    def hurry(self) -> None:
        """Give the step that is played no more time to look."""
        self._hurry.set()

    def step_begins(self) -> None:
        self._hurry.clear()

    def change_speed(self, by: int) -> None:
        place = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]
        self.version += 1

    def runs_as(self, process: int | None) -> None:
        """Take the number of the broker's process."""
        if process != self.process:
            self.process = process
            self.version += 1

    def is_at(self, head: int, places: list[Place]) -> None:
        """Take what the broker says of the topic and of the places in it."""
        if (head, places) != (self.head, self.places):
            self.head, self.places = head, places
            self.version += 1

    def sample(self, now: float) -> None:
        for rate in (self.stored, self.delivered):
            was_busy = rate.busy
            rate.sample(now)
            if was_busy or rate.busy:
                self.version += 1

    # for the panes

    def latest(self, pane: Pane) -> Iterator[Row]:
        """Yield the pane's rows, newest first."""
        return reversed(self._rows[pane].values())

    def counting_down(self) -> bool:
        return any(state.phase is Phase.RECONNECTING for state in self.states.values())
