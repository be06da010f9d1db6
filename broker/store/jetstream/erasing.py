"""Taking away all that an installation has in a cluster, and nothing of another's."""

import asyncio
from functools import partial

from broker.store.jetstream.connection import Connection, all_of
from broker.store.jetstream.store import BUCKETS
from broker.store.jetstream.streams import Streams
from broker.store.jetstream.topic import Names

SETTLE_S = 0.3  # a cluster may still be making what was asked for a moment ago


async def erase(connection: Connection, prefix: str, wait_s: float) -> None:
    """Take away the streams and buckets of the installation whose names begin with `prefix`.

    Streams that no topic has are taken away too. Whoever serves the installation has ended
    before. Harmless when repeated, or where there is nothing.

    Raises:
        StoreLost, StoreRefused: some of it may still be there.
    """
    streams, names = Streams(connection, wait_s), Names(prefix)
    looks = 2 if connection.clustered else 1
    found_none = 0
    while found_none < looks:
        found = await _streams_of(streams, names)
        await all_of([partial(streams.remove, name) for name in found])
        found_none = 0 if found else found_none + 1
        if connection.clustered:
            await asyncio.sleep(SETTLE_S)


async def _streams_of(streams: Streams, names: Names) -> list[str]:
    topics = await streams.named(names.subject("*"))
    found = [name for name in topics if names.topic_id(name) is not None]
    for bucket in (f"{names.prefix}_{one}" for one in BUCKETS):
        if await streams.look(f"KV_{bucket}") is not None:
            found.append(f"KV_{bucket}")
    return found
