"""Rows on their way into the feed: many may wait, a frame's share is taken in at a time."""

from collections import deque
from collections.abc import Callable, Iterable

from app.feed.lines import Lines
from app.feed.reading import Reading
from app.feed.ring import Ring
from app.feed.rows import MessageRow, Row

SLICE_ROWS = 2000
BUDGET_S = 0.020  # of each frame


class Intake:
    """Takes rows into the ring, to the lines and to the reading, in slices.

    Any number may wait: `pending` tells how many, for who would rather read on later.
    """

    def __init__(
        self, ring: Ring, lines: Lines, reading: Reading, clock: Callable[[], float]
    ) -> None:
        self._ring = ring
        self._lines = lines
        self._reading = reading
        self._clock = clock
        self._waiting: deque[Row] = deque()
        self.highest_seq = 0  # of all that came

    def add(self, rows: Iterable[Row]) -> None:
        """Put `rows` behind those that wait."""
        self._waiting.extend(rows)

    @property
    def pending(self) -> int:
        """How many rows wait to be taken in, or for the filter to look at them."""
        return len(self._waiting) + self._lines.behind

    def take(self) -> int:
        """Take in slices until nothing waits or the time is up; return how many it took."""
        end = self._clock() + BUDGET_S
        slices = 0
        while self.pending:
            self._take_slice(lambda: self._clock() >= end)
            slices += 1
            if self._clock() >= end:
                break
        return slices

    def _take_slice(self, is_late: Callable[[], bool]) -> None:
        count = min(SLICE_ROWS, len(self._waiting))
        rows = [self._waiting.popleft() for _ in range(count)]
        if rows:
            first = self._ring.end
            self._ring.append_many(rows)
            self._reading.came(first, rows)
            self._reading.forget()
            seqs = (row.seq for row in rows if isinstance(row, MessageRow))
            self.highest_seq = max(self.highest_seq, max(seqs, default=0))
        self._lines.scan(SLICE_ROWS, is_late)
