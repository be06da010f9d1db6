"""How long to wait before trying again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from `first_s` to `longest_s`, spread at random.

    The spread keeps a thousand clients of one broker from coming back in one moment.
    """

    first_s: float = 0.25
    longest_s: float = 15.0

    def pause_s(self, attempt: int) -> float:
        """Return the pause before try number `attempt`, from 1 on."""
        doubled = self.first_s * 2.0 ** min(attempt - 1, 30)
        return min(doubled, self.longest_s) * random.uniform(0.5, 1.0)
