"""Whether the store does what it is asked: told once when that changes."""

import logging
import time
from collections.abc import Callable

from broker.events import Event
from broker.seldom import Seldom
from broker.store.errors import StoreRefused

REFUSAL_COUNTS_S = 30.0  # a store that refused a commit may refuse the next one for so long


class StoreHealth:
    """What those who ask the store say of it, each under a name of its own.

    It answers when the newest question of each was answered. A commit that was refused counts
    until one is taken, and for half a minute at most: nobody may dare to try meanwhile.
    """

    def __init__(
        self, seldom: Seldom | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seldom = seldom or Seldom()
        self._clock = clock
        self._silent: dict[str, None] = {}  # who had no answer
        self._since = 0.0
        self._refusal, self._refused_at = "", 0.0

    @property
    def answers(self) -> bool:
        return not self._silent

    @property
    def refusal(self) -> str:
        """Why the newest commit was refused, or "" where there is no trouble of that kind."""
        recent = self._clock() - self._refused_at < REFUSAL_COUNTS_S
        return self._refusal if recent else ""

    def failed(self, asker: str, error: Exception) -> None:
        """`asker` had no answer, or one that is no help."""
        if isinstance(error, StoreRefused):
            self._seldom.tell(
                Event.STORE_REFUSED, f"the store refused {asker}: {error}", logging.ERROR
            )
            return
        if self.answers:
            self._since = self._clock()
            why = str(error) or "it took too long"
            text = f"the store does not answer ({why}); publishes wait for it"
            self._seldom.tell(Event.STORE_LOST, text, logging.WARNING)
        self._silent[asker] = None

    def answered(self, asker: str) -> None:
        """`asker` had an answer."""
        if self._silent and self._silent.pop(asker, self) is None and self.answers:
            away_s = self._clock() - self._since
            text = f"the store answers again, after {away_s:.1f} s"
            self._seldom.tell(Event.STORE_BACK, text, logging.WARNING)

    def refused_commit(self, error: StoreRefused) -> None:
        """A commit was refused; the next may be too."""
        self._refusal, self._refused_at = str(error), self._clock()
        self.failed("a commit", error)

    def took_commit(self) -> None:
        """A commit was taken."""
        self._refusal = ""
