"""What /stats tells: the broker's snapshot, and who it is."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime

from app.monitoring.health import reasons
from broker import Broker
from broker.listening import shown
from broker.release import release
from broker.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Stats:
    """`reasons` is why publishes would not be taken; while it is empty the broker is healthy."""

    version: str
    pid: int
    address: str
    time: datetime
    healthy: bool
    reasons: list[str]
    broker: Snapshot


def stats(broker: Broker, rows: int) -> Stats:
    """Return how `broker` is now, with at most `rows` topics and as many sessions."""
    snapshot = broker.snapshot(rows)
    found = reasons(snapshot)
    return Stats(
        version=release(),
        pid=os.getpid(),
        address=shown(broker.host, broker.port),
        time=datetime.now(UTC),
        healthy=not found,
        reasons=found,
        broker=snapshot,
    )
