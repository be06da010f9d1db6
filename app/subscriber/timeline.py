"""The story between the messages: what was unread, since when it is live, what was missed.

Takes blocks of messages, each of one topic, in the order in which they come, and gives them
back as rows of the feed with dividers where they belong. Where a divider belongs follows from
seqs, never from when something came: a client knows what was published while it was away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.feed import DividerRow, MessageRow, Row
from app.gaps import gap_in_words
from clients import Gap, Message


@dataclass(slots=True)
class Outage:
    """A time without a connection, which still has to be told."""

    lost_at: str
    back_at: str = ""


class Timeline:
    """Always `came <= expected`: how much has come of what was waiting at the broker.

    `clock` gives the time as it is written in dividers. `anew` is called with the topic and
    the seq before its next message where a topic turns out to be another one of its name, and
    `elsewhere` where another session of the account has read up to that seq.
    """

    def __init__(
        self,
        clock: Callable[[], str],
        *,
        anew: Callable[[str, int], None],
        elsewhere: Callable[[str, int], None],
    ) -> None:
        self.expected = 0  # how many messages were waiting, and of those
        self.came = 0
        self._clock = clock
        self._anew = anew
        self._elsewhere = elsewhere
        self._begun = False
        self._waiting: dict[str, range] = {}  # what has to come of it
        self._untold: dict[str, str] = {}  # the words that go before a topic's first of those
        self._outage: Outage | None = None
        self._live_is_news = False  # something old has been shown
        self._newest: dict[str, int] = {}

    @property
    def caught_up(self) -> bool:
        """Whether all has come that was waiting."""
        return not self._waiting

    def begin(self, backlog: Mapping[str, range]) -> list[Row]:
        """A session begins with this backlog: the first one, or one after an outage."""
        first, self._begun = not self._begun, True
        self._waiting = {topic: seqs for topic, seqs in backlog.items() if seqs}
        self.expected, self.came = sum(map(len, self._waiting.values())), 0
        self._untold = {}
        if first:
            self._live_is_news = bool(self._waiting)
            self._untold = {
                topic: f"{topic}: {len(seqs):,} unread from before you signed in"
                for topic, seqs in self._waiting.items()
            }
        if self._outage is not None:
            self._outage.back_at = self._clock()
        return [] if self._waiting else [*self._told_outage(), *self._told_live()]

    def lost(self) -> None:
        """The connection is gone."""
        if self._outage is None:
            self._outage = Outage(self._clock())

    def expect(self, topic: str, seqs: range, words: str) -> None:
        """These messages of `topic` come now that it is subscribed to; `words` introduce them."""
        self.forget(topic)
        if seqs:
            if self.caught_up:
                self.expected = self.came = 0
            self._waiting[topic] = seqs
            self._untold[topic] = words
            self.expected += len(seqs)

    def forget(self, topic: str) -> list[Row]:
        """Nothing more of `topic` comes; if it does, it begins anew."""
        self._newest.pop(topic, None)
        self._untold.pop(topic, None)
        left = self._waiting.pop(topic, None)
        if left is None:
            return []
        self.expected -= len(left)
        return [] if self._waiting else self._told_live()

    def rows(self, messages: Sequence[Message]) -> list[Row]:
        """Return a block as rows, with the dividers that belong before, in and after it."""
        topic, first, last = messages[0].topic, messages[0].seq, messages[-1].seq
        rows: list[Row] = self._told_jump(topic, first)
        self._newest[topic] = last
        waiting = self._waiting.get(topic)
        if waiting is None or last < waiting.start:
            return rows + _rows(messages)
        start, stop = max(waiting.start - first, 0), max(waiting.stop - first, 0)
        rows += _rows(messages[:start])
        rows += self._told_start(topic)
        rows += _rows(messages[start:stop])
        rows += self._count(topic, waiting, last)
        return rows + _rows(messages[stop:])

    def gap(self, gap: Gap) -> list[Row]:
        """Return the row that stands in the place of messages that are gone."""
        topic, waiting = gap.topic, self._waiting.get(gap.topic)
        self._newest[topic] = gap.last_seq
        rows: list[Row] = [DividerRow(gap_in_words(gap), topic)]
        if waiting is None or gap.last_seq < waiting.start:
            return rows
        left = range(min(gap.last_seq + 1, waiting.stop), waiting.stop)
        self.expected -= len(waiting) - len(left)  # they will never come
        if left:
            self._waiting[topic] = left
            return rows
        del self._waiting[topic]
        self._untold.pop(topic, None)
        return rows + ([] if self._waiting else self._told_live())

    def _count(self, topic: str, waiting: range, last: int) -> list[Row]:
        """Count what has come of `waiting`; when that was the last of all, it is live."""
        left = range(min(last + 1, waiting.stop), waiting.stop)
        self.came += len(waiting) - len(left)
        if left:
            self._waiting[topic] = left
            return []
        del self._waiting[topic]
        return [] if self._waiting else self._told_live()

    def _told_start(self, topic: str) -> list[Row]:
        words = self._untold.pop(topic, "")
        return [*self._told_outage(), *([DividerRow(words, topic)] if words else [])]

    def _told_outage(self) -> list[Row]:
        outage = self._outage
        if outage is None or not outage.back_at:
            return []
        self._outage = None
        follow = f"{self.expected:,} missed delivered" if self.expected else "nothing missed"
        return [DividerRow(f"connection lost {outage.lost_at}, back {outage.back_at}, {follow}")]

    def _told_live(self) -> list[Row]:
        news, self._live_is_news = self._live_is_news, False
        return [DividerRow(f"live since {self._clock()}")] if news else []

    def _told_jump(self, topic: str, first: int) -> list[Row]:
        """Tell where a block does not go on where the one before it ended."""
        newest = self._newest.get(topic)
        if newest is None or first == newest + 1:
            return []
        if first > newest:
            self._elsewhere(topic, first - 1)
            gone = f"{newest + 1:,} to {first - 1:,}" if first > newest + 2 else f"{first - 1:,}"
            return [DividerRow(f"{topic}: {gone} was read in another session", topic)]
        self._anew(topic, first - 1)
        return [DividerRow(f"{topic}: begins anew at {first:,}", topic)]


def _rows(messages: Sequence[Message]) -> list[Row]:
    return [
        MessageRow(one.topic, one.seq, one.publisher, one.published_at, one.text, one.unread)
        for one in messages
    ]
