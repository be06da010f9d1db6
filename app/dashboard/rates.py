"""How much a second: what two snapshots say of the time between them."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from broker.snapshot import Snapshot

WINDOW_S = 1.0
KEPT_S = 60


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages and bytes a second."""

    messages_in: float = 0.0
    messages_out: float = 0.0
    bytes_in: float = 0.0
    bytes_out: float = 0.0


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of the last second, and those of the seconds of the last minute."""

    now: Traffic = field(default_factory=Traffic)
    topics: Mapping[str, float] = field(default_factory=dict)  # messages in, by topic
    messages_in: Sequence[float] = ()
    messages_out: Sequence[float] = ()
    ack_p99_s: Sequence[float] = ()


class RateMeter:
    """Makes rates of the snapshots that it is given, one after the other."""

    def __init__(self) -> None:
        self._window: deque[Snapshot] = deque()
        self._second: Snapshot | None = None  # with which the newest whole second began
        self._now = Traffic()
        self._topics: dict[str, float] = {}
        self._messages_in: deque[float] = deque(maxlen=KEPT_S)
        self._messages_out: deque[float] = deque(maxlen=KEPT_S)
        self._ack_p99_s: deque[float] = deque(maxlen=KEPT_S)

    @property
    def rates(self) -> Rates:
        return Rates(
            self._now,
            self._topics,
            tuple(self._messages_in),
            tuple(self._messages_out),
            tuple(self._ack_p99_s),
        )

    def add(self, snapshot: Snapshot) -> None:
        """Take the next snapshot; one that was taken already changes nothing."""
        if self._window and self._window[-1] is snapshot:
            return
        self._window.append(snapshot)
        while len(self._window) > 2 and self._window[1].at_s <= snapshot.at_s - WINDOW_S:
            self._window.popleft()
        before = self._window[0]
        if before is not snapshot:
            self._now = _between(before, snapshot)
            self._topics = _by_topic(before, snapshot)
        self._keep(snapshot)

    def _keep(self, snapshot: Snapshot) -> None:
        if self._second is None:
            self._second = snapshot
        elif snapshot.at_s - self._second.at_s >= 1.0:
            traffic = _between(self._second, snapshot)
            self._messages_in.append(traffic.messages_in)
            self._messages_out.append(traffic.messages_out)
            self._ack_p99_s.append(snapshot.ack_p99_s or 0.0)
            self._second = snapshot


def _between(before: Snapshot, after: Snapshot) -> Traffic:
    passed_s = max(after.at_s - before.at_s, 1e-6)
    return Traffic(
        (after.messages_in - before.messages_in) / passed_s,
        (after.messages_out - before.messages_out) / passed_s,
        (after.bytes_in - before.bytes_in) / passed_s,
        (after.bytes_out - before.bytes_out) / passed_s,
    )


def _by_topic(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """Return the rates of the topics in `after`; one that is new in it counts from nothing."""
    passed_s = max(after.at_s - before.at_s, 1e-6)
    heads = {topic.name: topic.head for topic in before.topics}
    complete = before.topic_count == len(before.topics)
    return {
        topic.name: (topic.head - heads.get(topic.name, 0 if complete else topic.head)) / passed_s
        for topic in after.topics
    }
