"""How far a reader has read, by topic.

A message is *shown* once a person could have read it (the view decides when that is). The
position of a topic is the seq up to which every message of it that came to the feed has been
shown, so it never passes one that was hidden by a filter, skipped, or driven out of the ring
by newer ones before anybody saw it. After that last case the position stays where it is for
the topic until `mark_read`: the broker then delivers those messages again at the next
sign-in, which is the honest answer to "nobody saw them".

What the feed never got (seqs that are missing between two rows) cannot be shown and does not
hold the position up.
"""

from collections import deque
from collections.abc import Iterable

from app.feed.ring import Ring
from app.feed.rows import MessageRow


class Reading:
    """Positions only rise. Memory is bounded by the ring and the number of topics."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._shown = bytearray(ring.capacity)  # 1 if the row in this slot of the ring is
        self._waiting: dict[str, deque[int]] = {}  # rows not passed by the position, oldest first
        self._newest: dict[str, int] = {}  # the highest seq that came
        self._positions: dict[str, int] = {}
        self._moved: set[str] = set()
        self._stuck: set[str] = set()  # topics of which a row left before it was shown

    def came(self, first: int, rows: Iterable[object]) -> None:
        """Note the rows that were appended to the ring with the numbers from `first` on."""
        for number, row in enumerate(rows, first):
            self._shown[number % self._ring.capacity] = 0
            if not isinstance(row, MessageRow):
                continue
            self._newest[row.topic] = max(row.seq, self._newest.get(row.topic, 0))
            if row.topic not in self._stuck:
                self._waiting.setdefault(row.topic, deque()).append(number)

    def forget(self) -> None:
        """Let go of the rows that have left the ring, and see which topics that leaves stuck."""
        for topic, waiting in self._waiting.items():
            if waiting and waiting[0] < self._ring.first:
                self._stuck.add(topic)
                waiting.clear()

    def show(self, numbers: Iterable[int]) -> None:
        """Note that these rows have been shown; those that have left are not noted."""
        for number in numbers:
            if not self._ring.first <= number < self._ring.end or self.was_shown(number):
                continue
            self._shown[number % self._ring.capacity] = 1
            row = self._ring.row(number)
            if isinstance(row, MessageRow):
                self._advance(row.topic)

    def mark_read(self, topic: str | None = None) -> None:
        """Take all that came, of one topic or of all, as shown: the reader says so."""
        for name in [topic] if topic is not None else [*self._newest]:
            self._stuck.discard(name)
            self._waiting.pop(name, None)
            self._rise(name, self._newest.get(name, 0))

    def was_shown(self, number: int) -> bool:
        return bool(self._shown[number % self._ring.capacity])

    def is_unread(self, number: int, row: MessageRow) -> bool:
        """Whether the row still counts as unread: it came so, and nobody has seen it since."""
        return row.unread and not self.was_seen(number, row)

    def was_seen(self, number: int, row: MessageRow) -> bool:
        """Whether the row has been shown, or the position has passed it."""
        return self.was_shown(number) or row.seq <= self._positions.get(row.topic, 0)

    def restart(self, topic: str) -> None:
        """Take the rows of `topic` as shown, and forget its seqs: the next ones begin anew."""
        for number in range(self._ring.first, self._ring.end):
            row = self._ring.row(number)
            if isinstance(row, MessageRow) and row.topic == topic:
                self._shown[number % self._ring.capacity] = 1
        self._stuck.discard(topic)
        for known in (self._waiting, self._newest, self._positions):
            known.pop(topic, None)

    def position(self, topic: str) -> int | None:
        """The seq up to which everything of `topic` has been shown, if there is one."""
        return self._positions.get(topic)

    @property
    def stuck(self) -> frozenset[str]:
        """The topics whose position waits for `mark_read`: some of it left unseen."""
        return frozenset(self._stuck)

    def take_moved(self) -> dict[str, int]:
        """Return the positions that have risen since the last call."""
        moved = {topic: self._positions[topic] for topic in sorted(self._moved)}
        self._moved.clear()
        return moved

    def _advance(self, topic: str) -> None:
        waiting = self._waiting.get(topic, deque())
        while waiting and waiting[0] >= self._ring.first and self.was_shown(waiting[0]):
            row = self._ring.row(waiting.popleft())
            assert isinstance(row, MessageRow)
            self._rise(topic, row.seq)

    def _rise(self, topic: str, seq: int) -> None:
        if seq > self._positions.get(topic, 0):
            self._positions[topic] = seq
            self._moved.add(topic)
