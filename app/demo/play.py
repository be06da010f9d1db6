"""One run of the steps: the next one, and back."""

import asyncio
from collections.abc import Sequence

from app.demo.outcome import Outcome, failure
from app.demo.stage import Stage
from app.demo.steps import STEPS, Step

STEP_S = 120.0  # beats not counted, no step comes near it


class Play:
    """Plays `steps` on a stage, and holds what came of each so far."""

    def __init__(self, stage: Stage, steps: Sequence[Step] = STEPS) -> None:
        self.stage = stage
        self.steps = steps
        self.outcomes: list[Outcome] = []

    @property
    def done(self) -> int:
        """How many steps have been played."""
        return len(self.outcomes)

    @property
    def over(self) -> bool:
        return self.done == len(self.steps) or (self.done > 0 and not self.outcomes[-1].ok)

    async def begin(self) -> None:
        """Set the stage afresh; no step has been played then."""
        self.outcomes.clear()
        await self.stage.set()

    async def next(self) -> Outcome:
        """Play the next step and return what came of it; a failure is an outcome too."""
        step = self.steps[self.done]
        outcome = await self._perform(step)
        self.outcomes.append(outcome)
        return outcome

    async def back_to(self, done: int) -> None:
        """Set the stage afresh and play the first `done` steps once more.

        What is seen then is not remembered but done again, so every number in it is true.
        """
        await self.begin()
        while self.done < done and not self.over:
            await self.next()

    async def _perform(self, step: Step) -> Outcome:
        try:
            async with asyncio.timeout(STEP_S):
                came = await step.act(self.stage)
        except TimeoutError:
            return Outcome(False, step.expected, f"nothing more within {STEP_S:g} s")
        except Exception as error:  # whatever it is, it is shown and ends the play
            return failure(step.expected, error)
        return Outcome(True, step.expected, came)
