"""Reads blocks from the store for those who are behind, each range once for all who wait."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from broker.block import Block
from broker.cache import BlockCache
from broker.delivery import Reader
from broker.store.errors import StoreError
from broker.store.interface import Store, StoredBlock
from broker.store_health import StoreHealth
from broker.topic_messages import BlockLimits, pieces
from broker.topics import Topic

RETRY_S = 0.5
CACHED_READS = 8  # that a cache has room for, if anything is read ahead into it
LONGEST_READ_S = 60.0  # a read that takes longer is begun anew: readers wait for its end

_logger = logging.getLogger("pubsub.delivery")

Arrived = Callable[[Reader, Topic, int, Sequence[Block], int], None]


class Fetcher:
    """Brings blocks from the store into the cache and to the readers that want them."""

    def __init__(
        self,
        store: Store,
        cache: BlockCache,
        read_ahead_bytes: int,
        limits: BlockLimits,
        health: StoreHealth,
    ) -> None:
        self._store = store
        self._cache = cache
        self._read_ahead = read_ahead_bytes
        # Where it would be gone from the cache before it is wanted, nothing is read ahead.
        self._reads_on = cache.limit_bytes >= CACHED_READS * read_ahead_bytes
        self._limits = limits
        self._health = health
        self._waiting: dict[tuple[Topic, int], list[Reader]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.arrived: Arrived | None = None
        self.reads = 0  # since the start

    def want(self, reader: Reader, topic: Topic, seq: int) -> None:
        """Call `arrived` for `reader` with the block that holds `seq` and some after it."""
        self._readers_at(topic, seq).append(reader)

    async def read(self, topic: Topic, seq: int) -> list[Block]:
        """Return the block that holds `seq` and some after it, and keep them in the cache."""
        self.reads += 1
        stored = await self._store.read(topic.id, seq, self._read_ahead, topic.head)
        # What lies over the head was committed by an append whose answer is still on its way;
        # it is delivered when that has come.
        blocks = [
            piece
            for block in stored
            if block.first_seq <= topic.head
            # A store may have made one of several that were appended within the limits.
            for piece in pieces(_up_to(topic.head, _block(topic, block)), self._limits)
        ]
        if not topic.deleted:  # another one may have its name by now
            for block in blocks:
                self._cache.add(block)
        return blocks

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _readers_at(self, topic: Topic, seq: int) -> list[Reader]:
        """Return who waits for what lies from `seq` on, which is read from now on."""
        readers = self._waiting.get((topic, seq))
        if readers is None:
            readers = self._waiting[topic, seq] = []
            task = asyncio.get_running_loop().create_task(self._fetch(topic, seq))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return readers

    async def _fetch(self, topic: Topic, seq: int) -> None:
        readers = self._waiting[topic, seq]
        while True:
            head = topic.head
            try:
                async with asyncio.timeout(LONGEST_READ_S):
                    blocks = await self.read(topic, seq)
                self._health.answered("to read")
                break
            except (StoreError, TimeoutError) as error:
                if readers:
                    self._health.failed("to read", error)
            except Exception:
                # Were the task to end here, nobody would ever get what lies at this place.
                _logger.exception("reading %r after %d failed; trying again", topic.name, seq)
            if not readers:  # it was read ahead; whoever comes to it begins anew
                del self._waiting[topic, seq]
                return
            await asyncio.sleep(RETRY_S)
        assert self.arrived is not None
        del self._waiting[topic, seq]
        if readers and blocks:
            self._read_on(topic, blocks[-1].last_seq + 1)
            await asyncio.sleep(0)  # so that the store is at work already
        for reader in readers:
            try:
                self.arrived(reader, topic, seq, blocks, head)
            except Exception:
                _logger.exception("a subscriber could not be served, and the others are")
            await asyncio.sleep(0)  # a thousand may come back at once, and others have their turn

    def _read_on(self, topic: Topic, seq: int) -> None:
        """Begin to read what is wanted next, while what was read is delivered."""
        if self._reads_on and seq <= topic.head and self._cache.find(topic.name, seq) is None:
            self._readers_at(topic, seq)


def _block(topic: Topic, stored: StoredBlock) -> Block:
    return Block(
        topic.name,
        stored.first_seq,
        stored.count,
        stored.publishers,
        stored.committed_at,
        stored.bodies,
    )


def _up_to(seq: int, block: Block) -> Block:
    """Return `block`, or its part up to `seq`."""
    return block if block.last_seq <= seq else block.part(block.first_seq, seq)
