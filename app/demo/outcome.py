"""What came of a step."""

from dataclasses import dataclass

from clients import PubSubError


class Missed(Exception):
    """A step did not bring what it should."""

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected {expected}; came {came}")
        self.expected = expected
        self.came = came


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was expected of a step, and what came."""

    ok: bool
    expected: str
    came: str


def failure(expected: str, error: Exception) -> Outcome:
    """Return the outcome of what was ended by `error`, whatever that is."""
    if isinstance(error, ExceptionGroup):  # of tasks that ran together
        return failure(expected, error.exceptions[0])
    if isinstance(error, Missed):
        return Outcome(False, error.expected, error.came)
    told = isinstance(error, PubSubError | OSError) and str(error)
    return Outcome(False, expected, told or repr(error))
