"""How many messages come, by second: in all for a minute, and by topic for a moment."""

from collections import Counter, deque

MINUTE = 60
MOMENT = 3


class Rates:
    """Counts what comes; `tick` ends a second, as long as that really took."""

    def __init__(self) -> None:
        self.history: deque[int] = deque(maxlen=MINUTE)  # messages a second, oldest first
        self._coming: Counter[str] = Counter()
        self._moments: dict[str, deque[int]] = {}

    def count(self, topic: str, number: int) -> None:
        """So many messages of `topic` have come."""
        self._coming[topic] += number

    def tick(self, seconds: float) -> None:
        """The `seconds` since the last tick are over."""
        seconds = max(seconds, 0.001)
        self.history.append(round(self._coming.total() / seconds))
        for topic in self._coming.keys() - self._moments.keys():
            self._moments[topic] = deque([0] * MOMENT, maxlen=MOMENT)
        for topic, moments in [*self._moments.items()]:
            moments.append(round(self._coming[topic] / seconds))
            if not any(moments):
                del self._moments[topic]
        self._coming.clear()

    @property
    def now(self) -> int:
        """Messages a second, in the second that ended last."""
        return self.history[-1] if self.history else 0

    @property
    def peak(self) -> int:
        return max(self.history, default=0)

    @property
    def highest(self) -> int:
        """The most of any one topic, of what `moment` gives."""
        return max((max(moments) for moments in self._moments.values()), default=0)

    def moment(self, topic: str) -> list[int]:
        """Return messages a second of `topic` in the last few seconds, oldest first."""
        return [*self._moments.get(topic, [0] * MOMENT)]
