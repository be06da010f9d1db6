"""The messages of one `publish_many`: how many of them are stored, and the first refusal."""

import asyncio
from collections import deque
from collections.abc import Callable

from clients.outbox import Batch


class Stream:
    """Counts what is stored, from the first message on, as the batches are answered.

    `failed` is done at the first refusal; what is stored after that is not counted.
    """

    def __init__(self, tell: Callable[[int], None] | None) -> None:
        self.stored = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tell = tell
        self._refused: BaseException | None = None
        self._batches: deque[Batch] = deque()
        self._counts: deque[int] = deque()  # of our messages in each of them
        self._settled = asyncio.Event()
        self._settled.set()

    def add(self, batch: Batch) -> None:
        """A message has come into `batch`."""
        if not self._batches or self._batches[-1] is not batch:
            self._batches.append(batch)
            self._counts.append(0)
            self._settled.clear()
            batch.first_seq.add_done_callback(self._count)
        self._counts[-1] += 1

    async def settled(self) -> None:
        """Return when all is stored.

        Raises:
            PubSubError: one was refused; by now all are stored or refused.
        """
        await self._settled.wait()
        if self._refused is not None:
            raise self._refused

    def _count(self, _: object) -> None:
        before = self.stored
        while self._batches and self._batches[0].first_seq.done():
            refused, count = self._batches.popleft().first_seq.exception(), self._counts.popleft()
            if refused is None and self._refused is None:
                self.stored += count
            elif self._refused is None:
                self._refused = refused
                self.failed.set_result(None)
        if self._tell is not None and self.stored > before:
            self._tell(self.stored)
        if not self._batches:
            self._settled.set()
