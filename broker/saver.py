"""Saves the cursors that have moved, all together in one statement."""

import asyncio
from contextlib import suppress

from broker.cursor import Cursor
from broker.store.interface import Store


class CursorSaver:
    """Holds which cursors have moved since they were last saved."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._moved: dict[Cursor, None] = {}
        self._saving = asyncio.Lock()
        self._due = asyncio.Event()
        self.saves = 0  # since the start

    def moved(self, cursor: Cursor) -> None:
        self._moved[cursor] = None

    async def save(self) -> None:
        """Save all that had moved when this was called, in one statement.

        Raises:
            StoreError: the cursors stay marked and are saved next time.
        """
        async with self._saving:
            cursors, self._moved = self._moved, {}
            cursors = {cursor: None for cursor in cursors if not cursor.forgotten}
            if not cursors:
                return
            try:
                await self._store.save_cursors(
                    [(one.account_id, one.topic.id, one.confirmed) for one in cursors]
                )
                self.saves += 1
            except BaseException:
                self._moved = cursors | self._moved
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
