"""Which rows of a ring are lines of the page: all of them, or those that are asked for.

Line 0 is the oldest. When not all rows are asked for, the lines are a rising list of row
numbers, found by scanning the ring a slice at a time, so that neither a new filter over many
rows nor a flood of new rows holds anything up: until `behind` is 0 the list is right as far
as it goes.
"""

from bisect import bisect_left
from collections.abc import Callable

from app.feed.filter import Filter
from app.feed.ring import Ring
from app.feed.rows import MessageRow, Row


class Lines:
    """Rows of one topic or of all, with a filter or without; dividers only without."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._topic: str | None = None
        self._filter: Filter | None = None
        self._hits: list[int] = []
        self._dividers: list[int] = []  # those of the hits that are no messages
        self._of_topic: list[int] = []  # the topic's messages, matching or not
        self._scanned = 0  # every row below this number has been looked at

    def use(self, topic: str | None, filter_: Filter | None) -> None:
        """Ask for other rows; `scan` finds them."""
        self._topic, self._filter = topic, filter_
        self._hits, self._dividers, self._of_topic = [], [], []
        self._scanned = self._ring.first

    @property
    def filter(self) -> Filter | None:
        return self._filter

    @property
    def behind(self) -> int:
        """How many rows have not been looked at yet."""
        return 0 if self._all else self._ring.end - max(self._scanned, self._ring.first)

    def scan(self, limit: int, is_late: Callable[[], bool] = lambda: False) -> int:
        """Look at up to `limit` more rows, fewer once `is_late`; return at how many it looked."""
        if self._all:
            return 0
        start = number = max(self._scanned, self._ring.first)
        for number, row in enumerate(self._ring.rows(start, start + limit), start + 1):
            self._look_at(number - 1, row)
            if is_late():
                break
        self._scanned = number
        return number - start

    def forget(self) -> None:
        """Let go of the lines whose rows have left the ring."""
        for numbers in (self._hits, self._dividers, self._of_topic):
            if numbers and numbers[0] < self._ring.first:
                del numbers[: bisect_left(numbers, self._ring.first)]

    def __len__(self) -> int:
        return len(self._ring) if self._all else len(self._hits)

    def number(self, line: int) -> int:
        """Return the number of the row that is this line."""
        if not 0 <= line < len(self):
            raise IndexError(f"there is no line {line}")
        return self._ring.first + line if self._all else self._hits[line]

    def line(self, number: int) -> int:
        """Return the line of this row, or of the next one that has a line, or else the last.

        0 when there are no lines.
        """
        line = number - self._ring.first if self._all else bisect_left(self._hits, number)
        return max(0, min(line, len(self) - 1))

    def count_messages(self, start: int, stop: int) -> int:
        """How many messages with `start` <= number < `stop` are lines."""
        if self._all:
            return self._ring.count_messages(start, stop)
        return _between(self._hits, start, stop) - _between(self._dividers, start, stop)

    def count_unfiltered(self) -> int:
        """How many messages were lines if there were no filter."""
        if self._topic is None:
            return self._ring.count_messages(self._ring.first, self._ring.end)
        return len(self._of_topic)

    @property
    def _all(self) -> bool:
        return self._filter is None and self._topic is None

    def _look_at(self, number: int, row: Row) -> None:
        if isinstance(row, MessageRow):
            if self._topic is not None:
                if row.topic != self._topic:
                    return
                self._of_topic.append(number)
            if self._filter is None or self._filter.matches(row):
                self._hits.append(number)
        elif self._filter is None and row.topic in (None, self._topic):
            self._hits.append(number)
            self._dividers.append(number)


def _between(numbers: list[int], start: int, stop: int) -> int:
    return bisect_left(numbers, stop) - bisect_left(numbers, start)
