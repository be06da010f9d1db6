"""One line of the log for each event an operator would ask about, and none for a message."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker import Broker, Settings, connection, seldom
from broker.disk import DiskWatch
from broker.events import Event
from broker.seldom import AT_ONCE, Seldom
from broker.store.errors import StoreLost, StoreRefused, StoreUnusable
from broker.store_health import REFUSAL_COUNTS_S, StoreHealth
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire

Connect = Callable[[], Awaitable[Wire]]
SignUp = Callable[..., Awaitable[Wire]]


class Told(logging.Handler):
    """What was told: (event, text), and `wait` for the next of an event."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []
        self._more = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((getattr(record, "event", ""), record.getMessage()))
        self._more.set()

    def of(self, event: Event) -> list[str]:
        return [text for told, text in self.lines if told == event]

    async def wait(self, event: Event) -> str:
        async with asyncio.timeout(10):
            while not self.of(event):
                self._more.clear()
                await self._more.wait()
        return self.of(event)[0]


@pytest.fixture
def told() -> Iterator[Told]:
    keeper, logger = Told(), logging.getLogger("pubsub")
    logger.addHandler(keeper)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield keeper
    logger.removeHandler(keeper)
    logger.setLevel(before)


@pytest.fixture
def sign_up(connect: Connect, told: Told) -> SignUp:
    """A way to sign somebody up, whose line has been told then."""

    async def sign(email: str, role: str, **keys: Any) -> Wire:
        wire = await connect()
        await wire.ask("create", user_email=email, user_type=role, **keys)
        return wire

    return sign


async def test_a_start_tells_who_serves_where_and_a_stop_that_all_is_stored(
    told: Told, database: str
) -> None:
    async with Broker(Settings(store_url=database, port=0)) as broker:
        assert f"serves on 127.0.0.1:{broker.port} with no TLS" in await told.wait(Event.STARTED)
    assert [event for event, _ in told.lines] == [Event.STARTED, Event.STOPPING, Event.STOPPED]


async def test_a_broker_that_does_not_start_tells_of_no_start_nor_stop(told: Told) -> None:
    store = MemoryStore()
    store.lose()
    with pytest.raises(StoreUnusable):
        await Broker(Settings(store_url="memory", port=0), store).start()
    assert told.lines == []


async def test_who_signs_in_and_leaves_is_told_and_messages_are_not(
    sign_up: SignUp, told: Told
) -> None:
    publisher = await sign_up("p@b.c", "publisher")
    subscriber = await sign_up("s@b.c", "subscriber", version=2)
    await publisher.ask("create_topic", topic_name="T")
    await subscriber.ask("subscribe", topic_name="T")
    for number in range(100):
        publisher.send("publish_msg", topic_name="T", msg=str(number))
    await publisher.read_many(100)
    await publisher.close()
    assert await told.wait(Event.SIGNED_OUT) == "p@b.c from 127.0.0.1 has left"
    assert told.of(Event.SIGNED_IN) == [
        "p@b.c, a publisher, signed in from 127.0.0.1 with version 1",
        "s@b.c, a subscriber, signed in from 127.0.0.1 with version 2",
    ]
    assert len(told.lines) == 3


async def test_a_refused_sign_in_is_told_with_its_reason_and_cut_to_size(
    connect: Connect, told: Told, broker: Broker
) -> None:
    wire = await connect()
    await wire.ask("connect", user_email="nobody@b.c", password="not to be told")
    assert told.of(Event.SIGN_IN_REFUSED) == [
        "127.0.0.1 cannot sign in as 'nobody@b.c': account_not_found"
    ]
    await wire.ask("connect", user_email="x" * 10_000)
    assert len(told.of(Event.SIGN_IN_REFUSED)[1]) < 200
    assert broker.snapshot().refused_sign_ins == 2
    assert not any("not to be told" in text for _, text in told.lines)


async def test_a_take_over_is_told(sign_up: SignUp, told: Told) -> None:
    await sign_up("s@b.c", "subscriber")
    other = await sign_up("q@b.c", "publisher")
    await other.ask("connect", user_email="s@b.c")
    assert "a newer session of s@b.c" in await told.wait(Event.TAKEN_OVER)


async def test_a_reader_is_slow_when_it_has_not_read_for_a_while_and_then_reads_on(
    database: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SLOW_S", 0.01)
    async with Broker(Settings(store_url=database, port=0, high_water_bytes=1_000)) as broker:
        publisher, subscriber = await Wire.open(broker.port), await Wire.open(broker.port, 2**10)
        await publisher.ask("create", user_email="p@b.c", user_type="publisher")
        await publisher.ask("create_topic", topic_name="T")
        await subscriber.ask("create", user_email="s@b.c", user_type="subscriber")
        await subscriber.ask("subscribe", topic_name="T")
        while not told.of(Event.SLOW_READER):
            await publisher.ask("publish_msg", topic_name="T", msg="x" * 900_000)
        assert "s@b.c from 127.0.0.1 reads slowly" in told.of(Event.SLOW_READER)[0]
        reading = asyncio.create_task(_read_all(subscriber))
        assert await told.wait(Event.READS_ON) == "s@b.c from 127.0.0.1 reads on"
        reading.cancel()
        for wire in (publisher, subscriber):
            await wire.close()


async def test_what_is_over_a_limit_is_told(sign_up: SignUp, told: Told) -> None:
    publisher = await sign_up("p@b.c", "publisher")
    await publisher.ask("create_topic", topic_name="T")
    await publisher.ask("publish_msg", topic_name="T", msg="x" * (2**20 + 1))
    assert "p@b.c from 127.0.0.1 sent too much" in await told.wait(Event.TOO_LARGE)


async def test_a_flood_of_one_event_is_counted_and_hides_no_other(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seldom, "EVERY_S", 1e9)
    lines = Seldom()
    for number in range(AT_ONCE + 500):
        lines.tell(Event.TURNED_AWAY, f"{number}")
    lines.tell(Event.TAKEN_OVER, "another")
    assert len(told.of(Event.TURNED_AWAY)) == AT_ONCE
    assert told.of(Event.TAKEN_OVER) == ["another"]
    lines.close()
    assert told.of(Event.TURNED_AWAY)[-1] == ("turned away: 500 more that were not told one by one")
    lines.close()
    assert len(told.of(Event.TURNED_AWAY)) == AT_ONCE + 1


async def test_what_was_left_out_is_told_though_nothing_follows(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seldom, "AT_ONCE", 1)
    monkeypatch.setattr(seldom, "SUM_UP_S", 0.01)
    lines = Seldom()
    lines.tell(Event.LOW_DISK, "one")
    assert await told.wait(Event.LOW_DISK) == "one"
    told.lines.clear()
    lines.tell(Event.LOW_DISK, "two")
    assert await told.wait(Event.LOW_DISK) == "low disk: 1 more that were not told one by one"


async def test_a_lost_store_is_told_once_and_once_when_it_is_back(told: Told) -> None:
    health = StoreHealth()
    for _ in range(100):
        health.failed("one", StoreLost("cable cut"))
        health.failed("another", TimeoutError())
    assert not health.answers
    health.answered("one")
    assert not health.answers
    health.answered("another")
    health.answered("another")
    assert health.answers
    assert [event for event, _ in told.lines] == [Event.STORE_LOST, Event.STORE_BACK]
    assert "cable cut" in told.lines[0][1]


async def test_a_refused_commit_counts_until_one_is_taken_or_for_a_while(told: Told) -> None:
    now = [100.0]
    health = StoreHealth(clock=lambda: now[0])
    assert health.refusal == ""
    health.refused_commit(StoreRefused("disk full"))
    assert (health.answers, health.refusal) == (True, "disk full")
    health.took_commit()
    assert health.refusal == ""
    health.refused_commit(StoreRefused("disk full"))
    now[0] += REFUSAL_COUNTS_S
    assert health.refusal == ""
    assert told.of(Event.STORE_REFUSED) == ["the store refused a commit: disk full"] * 2


async def test_a_disk_that_fills_and_empties_is_told_once_each(
    told: Told, tmp_path: Path, broker: Broker
) -> None:
    full, empty = DiskWatch(tmp_path, 1 << 60), DiskWatch(tmp_path, 0)
    for watch in (full, full, empty, empty):
        await watch._look(broker._hub.log)
    events = [event for event, _ in told.lines if event in (Event.LOW_DISK, Event.DISK_FREE)]
    assert events == [Event.LOW_DISK, Event.DISK_FREE]


async def _read_all(wire: Wire) -> None:
    while await wire.reader.read(2**16):
        pass
