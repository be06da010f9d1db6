"""Log lines that clients bring about: seldom enough that they cannot fill a disk with them."""

import asyncio
import logging
from dataclasses import dataclass

from broker.events import Event, tell

AT_ONCE = 20  # lines of one kind, after a quiet time
EVERY_S = 1.0  # from then on
SUM_UP_S = 10.0  # until it is told how many were left out


@dataclass(slots=True)
class _Kind:
    allowance: float
    at: float  # when that was the allowance
    left_out: int = 0
    timer: asyncio.TimerHandle | None = None
    level: int = logging.INFO


class Seldom:
    """Logs some lines of each event at once, then one a second, and then how many were left out.

    A flood of one event hides none of another. Memory is bounded by the kinds of events.
    """

    def __init__(self) -> None:
        self._kinds: dict[Event, _Kind] = {}

    def tell(self, event: Event, text: str, level: int = logging.INFO) -> None:
        """Log `text`, or only count it where there was too much of its kind."""
        now = asyncio.get_running_loop().time()
        kind = self._kinds.get(event)
        if kind is None:
            kind = self._kinds[event] = _Kind(AT_ONCE, now)
        kind.allowance = min(kind.allowance + (now - kind.at) / EVERY_S, AT_ONCE)
        kind.at = now
        if kind.allowance >= 1:
            kind.allowance -= 1
            tell(event, text, level)
        else:
            self._leave_out(event, kind, level)

    def close(self) -> None:
        """Tell what was left out so far, and leave no timer."""
        for event, kind in self._kinds.items():
            if kind.timer is not None:
                kind.timer.cancel()
                self._sum_up(event, kind)

    def _leave_out(self, event: Event, kind: _Kind, level: int) -> None:
        kind.left_out += 1
        kind.level = level
        if kind.timer is None:
            loop = asyncio.get_running_loop()
            kind.timer = loop.call_later(SUM_UP_S, self._sum_up, event, kind)

    def _sum_up(self, event: Event, kind: _Kind) -> None:
        words = event.value.replace("_", " ")
        tell(event, f"{words}: {kind.left_out:,} more that were not told one by one", kind.level)
        kind.left_out, kind.timer = 0, None
