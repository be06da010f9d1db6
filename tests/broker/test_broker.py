"""A broker as a library: beginning, ending, and what is left when either is cut short."""

import asyncio
import socket

import pytest

from broker import Broker, CannotListen, Settings
from broker.store.errors import StoreUnusable
from broker.store.interface import Batch, Commit
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire


class SlowStore(MemoryStore):
    """A store that opens when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.opening = asyncio.Event()
        self.go_on = asyncio.Event()

    async def open(self) -> None:
        self.opening.set()
        await self.go_on.wait()
        await super().open()


def on(store: MemoryStore, port: int = 0) -> Broker:
    return Broker(Settings(store_url="memory", port=port, stop_wait_s=0.05), store)


async def test_stopping_in_the_middle_of_starting_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    store = SlowStore()
    broker = on(store)
    starting = asyncio.ensure_future(broker.start())
    await store.opening.wait()
    stopping = asyncio.ensure_future(broker.stop())
    await asyncio.sleep(0)
    store.go_on.set()
    await asyncio.gather(starting, stopping)
    assert not store.opened
    with pytest.raises(ConnectionRefusedError):
        await Wire.open(broker.port)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("turns", range(12))
async def test_a_start_that_is_cancelled_leaves_nothing(turns: int) -> None:
    before = asyncio.all_tasks()
    store = MemoryStore()
    broker = on(store)
    starting = asyncio.ensure_future(broker.start())
    for _ in range(turns):
        await asyncio.sleep(0)
    was_done = starting.done()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    if was_done:
        await broker.stop()
    assert not store.opened
    if broker.port:
        with pytest.raises(ConnectionRefusedError):
            await Wire.open(broker.port)
    assert asyncio.all_tasks() == before


async def test_an_address_that_is_taken_is_told_and_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    store = MemoryStore()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        broker = on(store, port)
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port} is in use .*--port"):
            await broker.start()
    assert not store.opened
    await broker.stop()
    assert asyncio.all_tasks() == before


async def test_a_broker_that_was_stopped_does_not_start() -> None:
    store = MemoryStore()
    broker = on(store)
    await broker.stop()
    with pytest.raises(RuntimeError, match="make another"):
        await broker.start()
    assert not store.opened


async def test_serving_ends_when_the_broker_is_stopped() -> None:
    broker = on(MemoryStore())
    await broker.start()
    serving = asyncio.ensure_future(broker.serve())
    await broker.stop()
    await serving


async def test_a_log_that_fails_is_told_and_does_not_keep_the_broker_from_stopping() -> None:
    class Faulty(MemoryStore):
        async def append(self, batch: Batch) -> Commit:
            await super().append(batch)
            raise RuntimeError("this is not thought of")

    before = asyncio.all_tasks()
    store = Faulty()
    broker = on(store)
    await broker.start()
    shop = await Wire.open(broker.port)
    await shop.ask("create", user_email="shop@b.c", user_type="publisher")
    await shop.ask("create_topic", topic_name="T")
    store.hold()
    shop.send("publish_msg", topic_name="T", msg="a")
    await store.held.wait()
    serving = asyncio.ensure_future(broker.serve())
    stopping = asyncio.ensure_future(broker.stop())
    await asyncio.sleep(0)
    store.release()
    await stopping
    with pytest.raises(RuntimeError, match="not thought of"):
        await serving
    await shop.close()
    assert asyncio.all_tasks() == before


async def test_a_store_whose_topics_cannot_be_read_is_told_in_a_sentence() -> None:
    store = MemoryStore()
    store.lose()
    with pytest.raises(StoreUnusable, match="cannot be used: nobody answers"):
        await Broker(Settings(store_url="memory", port=0), store).start()
    assert not store.opened
