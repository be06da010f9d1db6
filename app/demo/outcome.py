"""What came of a step."""

from dataclasses import dataclass


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
