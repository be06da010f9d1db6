"""Finding out which messages all subscriptions have processed, with few questions.

A subscription's confirmations go up to a seq, so one answer tells of many messages: whoever
has confirmed seq 9 has confirmed all before it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.publisher.sent import Mark, Row, SentList
from clients.values import Confirmations, TopicState

WITHIN_S = 600.0  # after that a message is no longer asked about
LEAST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
QUESTIONS = 8  # for one topic in one round


@dataclass(slots=True)
class _Topic:
    """When a topic is asked about next."""

    next_at: float = 0.0


class Confirming:
    """Keeps the marks of stored rows up to date with what the broker tells.

    The list of topics tells at once of every topic where nobody is behind. For the others the
    newest message is asked about; where it is not through, a search between the oldest and
    the newest finds the border, with at most `QUESTIONS` a round. The pause between rounds
    grows with the age of the newest message, from a second to half a minute.
    """

    def __init__(self, sent: SentList) -> None:
        self._sent = sent
        self._topics: dict[str, _Topic] = defaultdict(_Topic)

    def take_topics(self, topics: Iterable[TopicState], asked_at: float) -> None:
        """Mark what the list of topics, asked for at `asked_at`, tells of."""
        states = {one.topic_name: one for one in topics}
        for row in self._pending():
            state = states.get(row.topic)
            if state is None or not state.subscribers or state.behind:
                continue
            # Without a seq it was stored somewhere before the question.
            known = row.seq is not None and row.seq <= state.head
            if known or (row.seq is None and row.settled is not None and row.settled < asked_at):
                self._mark(row, state.subscribers, state.subscribers)

    def due(self, now: float) -> list[str]:
        """Return the topics to ask about now, and count them as asked."""
        newest: dict[str, float] = {}
        for row in self._pending():
            if row.seq is not None and row.settled is not None and now - row.settled <= WITHIN_S:
                newest[row.topic] = row.settled
        for name in [*self._topics]:
            if name not in newest:
                del self._topics[name]
        due = [name for name in newest if self._topics[name].next_at <= now]
        for name in due:
            pause_s = min(max((now - newest[name]) / 10, LEAST_PAUSE_S), LONGEST_PAUSE_S)
            self._topics[name].next_at = now + pause_s
        return due

    def search(self, topic: str) -> "Search":
        """Return a search through the messages of `topic` that are not through."""
        rows = [row for row in self._pending() if row.topic == topic and row.seq is not None]
        return Search(sorted({row.seq for row in rows if row.seq is not None}))

    def take(self, answer: Confirmations) -> None:
        """Mark what one answer tells of: all up to its seq have at least as many."""
        for row in self._pending():
            if row.topic == answer.topic and row.seq is not None and row.seq <= answer.seq:
                confirmed = max(answer.confirmed, row.confirmed or 0)
                self._mark(row, min(confirmed, answer.subscriptions), answer.subscriptions)

    def _pending(self) -> list[Row]:
        return [row for row in self._sent.rows if row.mark is Mark.STORED]

    def _mark(self, row: Row, confirmed: int, subscriptions: int) -> None:
        if (row.confirmed, row.subscriptions) != (confirmed, subscriptions):
            row.confirmed, row.subscriptions = confirmed, subscriptions
            self._sent.changes += 1
        if subscriptions and confirmed == subscriptions:
            row.mark = Mark.CONFIRMED
            self._sent.changes += 1


class Search:
    """Which seq to ask about next: the newest, the oldest, then halfway in between."""

    def __init__(self, seqs: Sequence[int]) -> None:
        self._seqs = seqs
        self._through = -1  # place of the newest that is known to be through
        self._behind = len(seqs)  # place of the oldest that is known not to be
        self._asked: list[int] = []  # places

    def next(self) -> int | None:
        """Return the seq to ask about, or None at the end."""
        if len(self._asked) == QUESTIONS or self._behind - self._through <= 1:
            return None
        place = (len(self._seqs) - 1, 0, (self._through + self._behind) // 2)[
            min(len(self._asked), 2)
        ]
        if place in self._asked:
            return None
        self._asked.append(place)
        return self._seqs[place]

    def take(self, *, through: bool) -> None:
        """What was asked about last is through, or is not."""
        if through:
            self._through = max(self._through, self._asked[-1])
        else:
            self._behind = min(self._behind, self._asked[-1])
