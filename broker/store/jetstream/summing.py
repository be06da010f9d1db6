"""What a topic's stream and its subscriptions say together."""

from datetime import datetime

from broker.store.interface import TopicRecord, TopicSummary
from broker.store.jetstream.record import when
from broker.store.jetstream.topic import TopicStream
from broker.store.jetstream.topics import TopicEntry


def record_of(entry: TopicEntry, tail: int, head: int) -> TopicRecord:
    created_at = when(entry.created_us)
    return TopicRecord(entry.id, entry.name, head, created_at, tail, entry.creator)


async def summary(stream: TopicStream, entry: TopicEntry, cursors: dict[int, int]) -> TopicSummary:
    oldest, newest = await stream.ends()
    tail, head = oldest.first_seq - 1, newest.place.head
    unread = [max(head - max(cursor, tail), 0) for cursor in cursors.values()]
    since = None
    if any(unread):
        since = await _committed_at(stream, head - max(unread) + 1)
    return TopicSummary(
        record_of(entry, tail, head),
        newest.committed_at if newest.count else await _committed_at(stream, head),
        subscribers=len(unread),
        behind=sum(map(bool, unread)),
        unread=sum(unread),
        unread_since=since,
    )


async def _committed_at(stream: TopicStream, seq: int) -> datetime | None:
    """Return when the block that holds `seq` was committed; None where it is gone."""
    oldest, newest = await stream.ends()
    if not oldest.first_seq <= seq <= newest.place.head:
        return None
    record = await stream.at(await stream.seek(seq, oldest, newest))
    return record.committed_at if record is not None else None
