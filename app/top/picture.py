"""What is shown of a broker at one moment: its figures, with rates since the moment before."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.dashboard.rates import RateMeter, Rates
from app.monitoring.stats import Stats
from broker.snapshot import SessionFigures, TopicFigures

BEHIND_S = 10.0  # a message that is unread for longer is waiting, not on its way


@dataclass(frozen=True, slots=True)
class SessionRate:
    """Bytes a second, from a session and to it."""

    bytes_in: float = 0.0
    bytes_out: float = 0.0


@dataclass(frozen=True, slots=True)
class Picture:
    """`unanswered` says since when and why there is nothing newer, "" where there is."""

    stats: Stats
    rates: Rates = field(default_factory=Rates)
    sessions: Mapping[int, SessionRate] = field(default_factory=dict)
    unanswered: str = ""

    def topic_rate(self, topic: TopicFigures) -> float:
        return self.rates.topics.get(topic.name, 0.0)

    def session_rate(self, session: SessionFigures) -> SessionRate:
        return self.sessions.get(session.number, SessionRate())

    def topic_state(self, topic: TopicFigures) -> str:
        """Return "behind", "busy" or "quiet"."""
        if topic.unread and (topic.oldest_unread_s or 0.0) >= BEHIND_S:
            return "behind"
        return "busy" if topic.unread or self.topic_rate(topic) > 0 else "quiet"

    def session_state(self, session: SessionFigures) -> str:
        """Return "slow", "behind", "stranger", "busy" or "idle"."""
        if session.slow:
            return "slow"
        if session.behind:
            return "behind"
        if not session.account:
            return "stranger"
        rate = self.session_rate(session)
        return "busy" if rate.bytes_in or rate.bytes_out else "idle"

    def topics(self) -> list[TopicFigures]:
        """Return the topics, the busiest first."""
        topics = self.stats.broker.topics
        return sorted(topics, key=lambda one: (-self.topic_rate(one), -(one.unread or 0), one.name))

    def sessions_in_order(self) -> list[SessionFigures]:
        """Return the sessions: those that need a look first, then the busiest."""

        def order(one: SessionFigures) -> tuple[bool, float, int]:
            rate = self.session_rate(one)
            return (not one.slow, -(rate.bytes_in + rate.bytes_out), -one.unread)

        return sorted(self.stats.broker.sessions, key=order)


class Pictures:
    """Makes pictures of the stats it is given, one after the other."""

    def __init__(self) -> None:
        self._meter = RateMeter()
        self._last: Stats | None = None

    def add(self, stats: Stats) -> Picture:
        """Return the picture of `stats`. A broker that was started anew begins anew."""
        last = self._last
        if last is not None and (last.pid, last.address) != (stats.pid, stats.address):
            self._meter, last = RateMeter(), None
        self._last = stats
        self._meter.add(stats.broker)
        return Picture(stats, self._meter.rates, _session_rates(last, stats))


def _session_rates(before: Stats | None, after: Stats) -> dict[int, SessionRate]:
    if before is None:
        return {}
    passed_s = max(after.broker.at_s - before.broker.at_s, 1e-6)
    old = {one.number: one for one in before.broker.sessions}
    return {
        one.number: SessionRate(
            (one.received_bytes - old[one.number].received_bytes) / passed_s,
            (one.written_bytes - old[one.number].written_bytes) / passed_s,
        )
        for one in after.broker.sessions
        if one.number in old
    }
