"""How large the works are."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Messages of each work, and who sends and reads them."""

    publish_messages: int = 1_000_000
    library_messages: int = 500_000
    fanout_messages: int = 100_000
    ingest_messages: int = 1_000_000  # of all publishers together
    unread_messages: int = 200_000
    latency_messages: int = 5_000
    idle_messages: int = 20  # that reach each of the connected
    connections: tuple[int, ...] = (2_000, 10_000)  # of idle, one after the other
    idle_per_s: float = 4.0  # slow enough for one to have reached all before the next
    commits: int = 2_000  # of one row each, and as many times fdatasync
    in_flight: int = 1_000  # of a publisher that is alone
    publishers: int = 50  # of ingest
    in_flight_each: int = 100  # of each of them
    subscribers: int = 100  # of fanout
    reading_processes: int = 1  # that those are spread over
    per_s: float = 1_000.0  # of latency
    rounds: int = 3

    def of(self, messages: int) -> "Scale":
        """Return the scale at which every work has so many messages."""
        return replace(
            self,
            publish_messages=messages,
            library_messages=messages,
            fanout_messages=messages,
            ingest_messages=messages,
            unread_messages=messages,
            latency_messages=messages,
            idle_messages=min(messages, self.idle_messages),
            commits=messages,
        )

    def warm_up(self) -> "Scale":
        """Return the scale of the run before the timed ones."""
        return replace(
            self,
            publish_messages=_tenth(self.publish_messages),
            library_messages=_tenth(self.library_messages),
            fanout_messages=_tenth(self.fanout_messages),
            ingest_messages=_tenth(self.ingest_messages),
            unread_messages=_tenth(self.unread_messages),
            latency_messages=_tenth(self.latency_messages),
        )

    @property
    def ingest_each(self) -> int:
        """Messages of one of several publishers."""
        return max(1, self.ingest_messages // self.publishers)


def _tenth(messages: int) -> int:
    return max(1, messages // 10)
