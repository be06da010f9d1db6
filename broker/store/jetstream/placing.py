"""Which sequences of a topic's stream lie near a seq."""

from bisect import bisect_left, insort

MOST = 4_096  # sequences remembered for a topic


class Places:
    """Sequences of a stream with the head after each: they rise together."""

    def __init__(self) -> None:
        self._known: list[tuple[int, int]] = []  # head, sequence

    def add(self, sequence: int, head: int) -> None:
        place = (head, sequence)
        if not self._known or self._known[-1] < place:
            self._known.append(place)
        elif self._known[bisect_left(self._known, place)] != place:
            insort(self._known, place)
        if len(self._known) > MOST:
            del self._known[::2]

    def around(self, seq: int, low: int, high: int) -> tuple[int, int]:
        """Narrow the sequences from `low` to `high` down to where the head first reaches `seq`.

        What is returned holds the first sequence whose head is `seq` or more.
        """
        place = bisect_left(self._known, (seq, 0))
        if place > 0:
            low = max(low, self._known[place - 1][1] + 1)
        if place < len(self._known):
            high = min(high, self._known[place][1])
        return low, max(low, high)
