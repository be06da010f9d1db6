"""Whether a publish would be taken just now, and why not."""

from broker.snapshot import Condition, Snapshot


def reasons(snapshot: Snapshot) -> list[str]:
    """Return why publishes would fail or wait, in words; nothing where they would not."""
    if snapshot.condition is Condition.SERVING:
        return []
    return [f"{snapshot.condition}: {snapshot.trouble}"]
