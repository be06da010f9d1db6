"""What has stood before the reader's eyes.

A row has been shown once it was on the screen for a second on end while the reader was there
(the feed focused, the terminal in front). In a feed that follows, rows that newer ones push
out have been shown too, if they were on the screen at all: who follows watches them pass.
What came so fast that it was never drawn has not been shown.
"""

from collections.abc import Iterable

DWELL_S = 1.0


class Gaze:
    def __init__(self, dwell_s: float = DWELL_S) -> None:
        self._dwell_s = dwell_s
        self._since: dict[int, float] = {}  # what is on the screen, and since when

    def look(self, numbers: Iterable[int], now: float, *, following: bool) -> list[int]:
        """Take `numbers` as what is drawn from `now` on; return what has thereby been shown."""
        before = self._since
        self._since = {number: before.get(number, now) for number in numbers}
        shown = [one for one, since in self._since.items() if now - since >= self._dwell_s]
        if following:
            shown += [number for number in before if number not in self._since]
        return shown

    def turn_away(self) -> None:
        """The reader is not there, or looks at something else: begin again."""
        self._since = {}
