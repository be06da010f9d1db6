"""The newest rows, in bounded memory, each with a number for life.

Rows are numbered 0, 1, 2, ... as they come. Over the capacity the oldest leave; the numbers
of the others stay, so whatever remembers a number (a cursor, a place on the screen, a list of
matches) is still right afterwards.
"""

from bisect import bisect_left
from collections.abc import Sequence

from app.feed.rows import DividerRow, Row

DEFAULT_CAPACITY = 50_000
_NOTHING = DividerRow("")


class Ring:
    """Always holds the rows `first` <= number < `end`, at most `capacity` of them."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 1:
            raise ValueError("a ring holds at least one row")
        self.capacity = capacity
        self.end = 0  # the number that the next row gets
        self._slots: list[Row] = [_NOTHING] * capacity  # row n is in slot n % capacity
        self._dividers: list[int] = []  # their numbers, rising

    @property
    def first(self) -> int:
        """The number of the oldest row that is here, which is how many have left."""
        return max(0, self.end - self.capacity)

    @property
    def dropped(self) -> int:
        """How many rows have left because newer ones came."""
        return self.first

    def __len__(self) -> int:
        return self.end - self.first

    def append_many(self, rows: Sequence[Row]) -> None:
        """Add `rows` in order; beyond the capacity the oldest leave."""
        numbered = enumerate(rows, self.end)
        self._dividers += [number for number, row in numbered if isinstance(row, DividerRow)]
        staying = rows[-self.capacity :]  # more than fit came at once: the rest is not written
        self.end += len(rows) - len(staying)
        while staying:
            slot = self.end % self.capacity
            part = staying[: self.capacity - slot]
            self._slots[slot : slot + len(part)] = part
            self.end += len(part)
            staying = staying[len(part) :]
        del self._dividers[: bisect_left(self._dividers, self.first)]

    def row(self, number: int) -> Row:
        """Return the row of this number; IndexError if it has left or has not come yet."""
        if not self.first <= number < self.end:
            raise IndexError(f"row {number} is not one of {self.first} to {self.end - 1}")
        return self._slots[number % self.capacity]

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows `start` <= number < `stop`, as far as they are here."""
        start, stop = max(start, self.first), min(stop, self.end)
        if start >= stop:
            return []
        low = start % self.capacity
        high = low + stop - start
        return self._slots[low:high] + self._slots[: max(0, high - self.capacity)]

    def count_messages(self, start: int, stop: int) -> int:
        """How many of the rows `start` <= number < `stop` are here and are messages."""
        start, stop = max(start, self.first), min(stop, self.end)
        if start >= stop:
            return 0
        dividers = bisect_left(self._dividers, stop) - bisect_left(self._dividers, start)
        return stop - start - dividers
