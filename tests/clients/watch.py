"""What a client told of its connection."""

import asyncio
from collections.abc import Callable

from clients import Phase, State


class Watch:
    """An `on_state` that keeps what it is told, and lets a test wait for a phase."""

    def __init__(self, then: Callable[[State], object] | None = None) -> None:
        self.states: list[State] = []
        self._then = then
        self._told = asyncio.Event()
        self._seen = 0

    def __call__(self, state: State) -> None:
        self.states.append(state)
        self._told.set()
        if self._then is not None:
            self._then(state)

    @property
    def phases(self) -> list[Phase]:
        return [state.phase for state in self.states]

    async def next(self, phase: Phase) -> State:
        """Return the next state of this phase, after the one returned before."""
        while True:
            for number in range(self._seen, len(self.states)):
                if self.states[number].phase is phase:
                    self._seen = number + 1
                    return self.states[number]
            self._told.clear()
            await self._told.wait()
