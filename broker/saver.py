"""Saves the cursors that have moved, all together in one statement."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from broker.cursor import Cursor
from broker.store.errors import StoreError, StoreLost, StoreRefused
from broker.store.interface import CursorMove, Store


class CursorSaver:
    """Holds which cursors have moved since they were last saved.

    `superseded(moves)` is called with those that the store does not take, because a newer
    session of the account has begun at another broker.
    """

    def __init__(self, store: Store, superseded: Callable[[Sequence[CursorMove]], None]) -> None:
        self._store = store
        self._superseded = superseded
        self._moved: dict[Cursor, None] = {}
        self._saving = asyncio.Lock()
        self._due = asyncio.Event()
        self._begun = 0
        self._failure: StoreError | None = None  # of the newest save
        self.saves = 0  # since the start

    def moved(self, cursor: Cursor) -> None:
        self._moved[cursor] = None

    async def save(self) -> None:
        """Save all that had moved when this was called, in one statement.

        Whoever waits while another saves shares the next save with all who do: a store that
        does not answer keeps nobody longer than two of them.

        Raises:
            StoreError: the cursors stay marked and are saved next time.
        """
        called = self._begun
        async with self._saving:
            if self._begun == called:
                await self._save()
            elif self._failure is not None:
                kind = StoreRefused if isinstance(self._failure, StoreRefused) else StoreLost
                raise kind(str(self._failure)) from self._failure

    async def _save(self) -> None:
        cursors, self._moved = self._moved, {}
        cursors = {cursor: None for cursor in cursors if not cursor.forgotten}
        self._begun += 1
        self._failure = None
        try:
            if cursors:
                refused = await self._store.save_cursors(
                    [
                        CursorMove(one.account_id, one.topic.id, one.confirmed, one.reader.epoch)
                        for one in cursors
                    ]
                )
                self.saves += 1
                if refused:
                    self._superseded(refused)
        except BaseException as error:
            self._moved = cursors | self._moved
            if isinstance(error, StoreError):
                self._failure = error
            else:
                self._begun -= 1  # it came to nothing, and whoever waits tries again
            raise

    def save_soon(self) -> None:
        """Let `due` return at once."""
        self._due.set()

    async def due(self, interval_s: float) -> None:
        """Return when it is time to save: after `interval_s`, or when `save_soon` is called."""
        with suppress(TimeoutError):
            async with asyncio.timeout(interval_s):
                await self._due.wait()
        self._due.clear()
