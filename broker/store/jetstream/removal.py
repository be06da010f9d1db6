"""Which of a topic's blocks are too old or too many, and taking them out."""

from collections.abc import Awaitable, Callable

from broker.store.jetstream.record import Preface, Record, now_us
from broker.store.jetstream.streams import Streams
from broker.store.jetstream.topic import TopicStream

MOST_AT_A_TIME = 1_000  # of a stream's messages


async def expired(
    stream: TopicStream, older_than_s: float | None, more_than_bytes: int | None
) -> int | None:
    """Return the seq up to which the topic keeps too much, None where it does not."""
    oldest, newest = await stream.ends()
    tail, head = oldest.first_seq - 1, newest.place.head
    if tail == head:
        return None
    up_to = 0
    if older_than_s is not None:
        up_to = await _too_old(stream, now_us() - int(older_than_s * 1e6), oldest, newest)
    if more_than_bytes is not None:
        up_to = max(up_to, await _too_large(stream, more_than_bytes, oldest, newest))
    return up_to if up_to > tail else None


async def take_out(
    streams: Streams,
    name: str,
    stream: TopicStream,
    up_to: int,
    before: Callable[[int], Awaitable[None]],
) -> int | None:
    """Take out the blocks that end at `up_to` or before; return the tail, None: there are none.

    Some at a time: `before(sequence)` is awaited before what lies before `sequence` goes.
    """
    oldest, newest = await stream.ends()
    tail, head = oldest.first_seq - 1, newest.place.head
    if tail >= min(up_to, head):
        return None
    if up_to >= head:
        end = await _standing(stream)
    else:
        end = await stream.seek(up_to + 1, oldest, newest)
    start = oldest.place.sequence
    while start < end:
        start = min(start + MOST_AT_A_TIME, end)
        await before(start)
        await streams.purge(name, start)
        new_tail, _ = await stream.state()
        if new_tail > tail:
            return new_tail
    return None


async def _standing(stream: TopicStream) -> int:
    """Write where the topic stands, which says it when all blocks are gone; return its place."""
    while True:
        async with stream.writing:
            place = await stream.add(None, Preface())
        if place is not None:
            return place.sequence + 1


async def _too_old(stream: TopicStream, before_us: int, oldest: Record, newest: Record) -> int:
    if oldest.time_us >= before_us:
        return 0
    low, high = oldest.place.sequence, newest.place.sequence + 1
    first = await stream.first(lambda one: one.time_us >= before_us, low, high)
    record = await stream.at(first) if first < high else None
    return newest.place.head if record is None else record.first_seq - 1


async def _too_large(stream: TopicStream, limit: int, oldest: Record, newest: Record) -> int:
    total = newest.place.total
    if total - oldest.place.total + oldest.size <= limit:
        return 0
    low, high = oldest.place.sequence, newest.place.sequence + 1
    last = await stream.first(lambda one: total - one.place.total <= limit, low, high)
    record = await stream.at(last)
    up_to = 0 if record is None else record.place.head
    return min(up_to, await _before_newest_commit(stream, oldest, newest))


async def _before_newest_commit(stream: TopicStream, oldest: Record, newest: Record) -> int:
    """Return the seq before those of the newest commit."""
    batch: int | None = None
    first_seq = newest.place.head + 1
    for sequence in range(newest.place.sequence, oldest.place.sequence - 1, -1):
        record = await stream.at(sequence)
        if record is None:
            break
        if record.count:
            if batch is not None and record.batch != batch:
                break
            batch, first_seq = record.batch, record.first_seq
    return first_seq - 1
