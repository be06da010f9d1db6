"""What has happened between two snapshots, as lines of the log."""

import logging
from collections.abc import Iterator

from app.dashboard.figures import in_bytes
from broker.snapshot import SessionFigures, Snapshot

AT_ONCE = 5  # more are only counted

_logger = logging.getLogger("pubsub.dashboard")

Note = tuple[int, str]


def log_notes(before: Snapshot, after: Snapshot) -> None:
    """Log who has come, gone, fallen behind or read on since `before`."""
    notes = [*_notes(before, after)]
    for level, text in notes[:AT_ONCE]:
        _logger.log(level, "%s", text)
    if len(notes) > AT_ONCE:
        _logger.info("and %d more sessions have come, gone or changed", len(notes) - AT_ONCE)


def _notes(before: Snapshot, after: Snapshot) -> Iterator[Note]:
    if not (_complete(before) and _complete(after)):
        return  # who is missing may only be less busy than others
    old = {one.number: one for one in before.sessions}
    new = {one.number: one for one in after.sessions}
    for number, was in old.items():
        if was.account and (number not in new or new[number].account != was.account):
            yield logging.INFO, f"{was.account} has left"
    for number, one in new.items():
        yield from _changes(old.get(number), one)


def _changes(was: SessionFigures | None, one: SessionFigures) -> Iterator[Note]:
    if one.account and (was is None or was.account != one.account):
        yield logging.INFO, f"{one.account} signed in as a {one.role}"
    slow = was is not None and was.slow
    if one.slow and not slow:
        who = one.account or "a connection"
        yield logging.WARNING, f"{who} reads slowly: {in_bytes(one.queued_bytes)} queued"
    elif slow and not one.slow:
        yield logging.INFO, f"{one.account or 'a connection'} reads on"


def _complete(snapshot: Snapshot) -> bool:
    return len(snapshot.sessions) == snapshot.connections
