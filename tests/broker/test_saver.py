"""Saving cursors together: who waits while another saves shares what that comes to."""

import asyncio

import pytest

from broker.cursor import Cursor
from broker.delivery import Reader
from broker.saver import CursorSaver
from broker.store.errors import StoreError, StoreLost, StoreRefused
from broker.store.interface import CursorMove
from broker.topics import Topic
from tests.doubles.memory_store import MemoryStore
from tests.doubles.outlet import FakeOutlet


def _a_cursor() -> Cursor:
    topic = Topic(1, "T", 5)
    return Cursor(Reader(FakeOutlet(), 2), 1, topic, 3, 5, 0)


class Silent(StoreLost):
    """A store's own kind of trouble, made in its own way."""

    def __init__(self) -> None:
        super().__init__("nobody answers")


class Failing(MemoryStore):
    def __init__(self, error: StoreError) -> None:
        super().__init__()
        self._error = error
        self.going_on = asyncio.Event()

    async def save_cursors(self, moved: object) -> list[CursorMove]:
        await self.going_on.wait()
        raise self._error


@pytest.mark.parametrize(
    ("error", "kind"), [(Silent(), StoreLost), (StoreRefused("no"), StoreRefused)]
)
async def test_all_who_wait_for_a_save_are_told_that_it_failed(
    error: StoreError, kind: type[StoreError]
) -> None:
    store = Failing(error)
    saver = CursorSaver(store, lambda moves: None)
    saver.moved(_a_cursor())
    saving = [asyncio.ensure_future(saver.save()) for _ in range(3)]
    await asyncio.sleep(0)
    store.going_on.set()
    results = await asyncio.gather(*saving, return_exceptions=True)
    assert [isinstance(one, kind) for one in results] == [True] * 3
    assert {str(one) for one in results} == {str(error)}
