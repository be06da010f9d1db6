"""Keeping messages for so long, or so many bytes of them: the oldest blocks go."""

import asyncio
import logging

from broker.events import Event, tell
from broker.log import Log
from broker.settings import Settings
from broker.store.errors import StoreError
from broker.store.interface import Store
from broker.topics import Topics

PAUSE_S = 60.0  # between two rounds
OFTEN = 10  # rounds in the time that messages are kept, where that is shorter
SHARE = 20  # a look that took long is followed by a pause this many times as long

_logger = logging.getLogger("pubsub.retention")


class Retention:
    """Takes out what the settings say is too much, topic by topic."""

    def __init__(self, settings: Settings, store: Store, log: Log, topics: Topics) -> None:
        self._for_s = settings.retain_for_s
        self._bytes = settings.retain_bytes
        self._store = store
        self._log = log
        self._topics = topics

    @property
    def wanted(self) -> bool:
        """Whether anything is ever to go."""
        return self._for_s is not None or self._bytes is not None

    async def run(self) -> None:
        """Take out what is too much, every now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = PAUSE_S if self._for_s is None else min(PAUSE_S, self._for_s / OFTEN)
        while True:
            began = loop.time()
            try:
                await self.take_out()
            except StoreError as error:
                _logger.warning("old messages are taken out later: %s", error)
            await asyncio.sleep(max(pause_s, SHARE * (loop.time() - began)))

    async def take_out(self) -> int:
        """Take out what is too much now; return how many messages went.

        Raises:
            StoreError: some may have gone, and the rest goes the next time.
        """
        gone, topics = 0, 0
        expired = await self._store.expired(self._for_s, self._bytes)
        # A commit whose answer was lost is found out by its blocks: those that are to go belong
        # to commits that had begun by now, and stay until each of them is known.
        await self._log.find_out()
        for topic_id, up_to in expired:
            count = await self._take_out(topic_id, up_to)
            gone, topics = gone + count, topics + bool(count)
        if gone:
            tell(Event.TAKEN_OUT, f"old messages taken out: {gone:,}; topics: {topics:,}")
        return gone

    async def _take_out(self, topic_id: int, up_to: int) -> int:
        gone = 0
        while (tail := await self._store.take_out(topic_id, up_to)) is not None:
            gone += self._topics.take_out(topic_id, tail)
        return gone
