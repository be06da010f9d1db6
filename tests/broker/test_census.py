"""What the broker tells of itself is exact: counted against exchanges that are known."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from broker import Broker, Settings
from broker.census import _bytes_below
from broker.counters import Latencies
from broker.snapshot import Condition, Snapshot
from protocol.names import Role
from protocol.reasons import Reason
from tests.wire import Wire

Connect = Callable[[], Awaitable[Wire]]


async def account(connect: Connect, email: str, kind: str, **keys: Any) -> Wire:
    wire = await connect()
    reply = await wire.ask("create", user_email=email, user_type=kind, **keys)
    assert reply["action"] == "success", reply
    return wire


async def snapshot(broker: Broker, true: Callable[[Snapshot], object]) -> Snapshot:
    """Return the first snapshot of which `true` holds."""
    async with asyncio.timeout(10):
        while not true(found := broker.snapshot()):  # noqa: ASYNC110  # nothing announces it
            await asyncio.sleep(0.01)
    return found


async def test_messages_in_and_out_are_exact(broker: Broker, connect: Connect) -> None:
    publisher = await account(connect, "p@b.c", "publisher")
    await publisher.ask("create_topic", topic_name="T")
    subscribers = [await account(connect, f"s{n}@b.c", "subscriber") for n in range(3)]
    for subscriber in subscribers:
        await subscriber.ask("subscribe", topic_name="T")
    for number in range(500):
        publisher.send("publish_msg", topic_name="T", msg=str(number))
    await publisher.read_many(500)
    for subscriber in subscribers:
        await subscriber.read_many(500)
    now = broker.snapshot()
    assert (now.messages_in, now.messages_out) == (500, 1_500)
    assert now.commits >= 1
    assert now.ack_p50_s is not None
    assert now.ack_p99_s is not None
    assert 0 < now.ack_p50_s <= now.ack_p99_s


async def test_a_backlog_counts_once_when_it_is_delivered(broker: Broker, connect: Connect) -> None:
    publisher = await account(connect, "p@b.c", "publisher", version=2, producer="one")
    await publisher.ask("create_topic", topic_name="T")
    subscriber = await account(connect, "s@b.c", "subscriber")
    await subscriber.ask("subscribe", topic_name="T")
    await subscriber.close()
    await snapshot(broker, lambda now: now.subscribers == 0)
    publisher.send("publish_many", topic_name="T", msgs=["a", "b", "c"], id=1)
    publisher.send("publish_many", topic_name="T", msgs=["a", "b", "c"], id=1)  # a repeat
    publisher.send("publish_msg", topic_name="T", msg="d", id=2)
    await publisher.read_many(3)
    now = await snapshot(broker, lambda now: now.unread == 4)
    assert (now.messages_in, now.messages_out, now.stored) == (4, 0, 4)
    assert [(one.name, one.head, one.subscriptions, one.unread) for one in now.topics] == [
        ("T", 4, 1, 4)
    ]
    again = await connect()
    again.send("connect", user_email="s@b.c")
    await again.read_many(5)
    assert broker.snapshot().messages_out == 4
    await snapshot(broker, lambda now: now.unread == 0)


async def test_bytes_are_those_on_the_wire_and_stay_counted(
    broker: Broker, connect: Connect
) -> None:
    wire = await connect()
    sent = b'{"action":"create","user_email":"a@b.c","user_type":"publisher"}\n'
    wire.send_bytes(sent)
    received = len(await wire.read_line()) + 1
    now = broker.snapshot()
    assert (now.bytes_in, now.bytes_out) == (len(sent), received)
    await wire.close()
    now = await snapshot(broker, lambda now: now.connections == 0)
    assert (now.bytes_in, now.bytes_out) == (len(sent), received)


async def test_every_refusal_counts_whenever_it_is_made(broker: Broker, connect: Connect) -> None:
    wire = await account(connect, "p@b.c", "publisher")
    wire.send_bytes(b"nonsense\n")
    wire.send("publish_msg", topic_name="missing", msg="x")
    wire.send("create", user_email="p@b.c", user_type="publisher")  # needs the store
    await wire.read_many(3)
    now = broker.snapshot()
    assert now.refusals == 3
    detail = broker.census.session(now.sessions[0].number)
    assert detail is not None
    assert "p@b.c has an account already" in detail.last_refusal


async def test_sessions_are_told_with_their_role_topics_and_cursors(
    broker: Broker, connect: Connect
) -> None:
    nobody = await connect()
    await nobody.ask("ping")
    publisher = await account(connect, "p@b.c", "publisher")
    await publisher.ask("create_topic", topic_name="T")
    subscriber = await account(connect, "s@b.c", "subscriber")
    await subscriber.ask("subscribe", topic_name="T")
    await publisher.ask("publish_msg", topic_name="T", msg="x")
    await subscriber.read()
    now = broker.snapshot()
    assert (now.connections, now.publishers, now.subscribers, now.slow) == (3, 1, 1, 0)
    assert [(one.account, one.role, one.topics) for one in now.sessions] == [
        ("", None, 0),
        ("p@b.c", Role.PUBLISHER, 0),
        ("s@b.c", Role.SUBSCRIBER, 1),
    ]
    detail = broker.census.session(now.sessions[2].number)
    assert detail is not None
    assert [(one.topic, one.sent, one.head) for one in detail.cursors] == [("T", 1, 1)]
    topic = broker.census.topic("T")
    assert topic is not None
    assert [(one.account, one.sent) for one in topic.cursors] == [("s@b.c", 1)]
    assert topic.figures.live == 1
    assert broker.census.topic("none") is None


async def test_a_session_is_idle_from_the_last_byte_on(broker: Broker, connect: Connect) -> None:
    wire = await account(connect, "p@b.c", "publisher")
    first = await snapshot(broker, lambda now: now.sessions[0].idle_s > 0.05)
    await wire.ask("nothing")
    assert broker.snapshot().sessions[0].idle_s < first.sessions[0].idle_s


async def test_a_disconnected_session_is_told_and_its_publishes_are_kept(
    broker: Broker, connect: Connect
) -> None:
    wire = await account(connect, "p@b.c", "publisher", version=2)
    await wire.ask("create_topic", topic_name="T")
    assert (await wire.ask("publish_msg", topic_name="T", msg="kept", id=1))["seq"] == 1
    number = broker.snapshot().sessions[0].number
    assert broker.census.disconnect(number)
    notice = await wire.read()
    assert notice["reason"] == Reason.DISCONNECTED
    assert await wire.read_line() == b""
    await snapshot(broker, lambda now: now.connections == 0)
    assert not broker.census.disconnect(number)
    assert broker.snapshot().stored == 1


async def test_the_busiest_are_told_where_there_are_too_many(
    broker: Broker, connect: Connect
) -> None:
    publisher = await account(connect, "p@b.c", "publisher")
    for number in range(4):
        await publisher.ask("create_topic", topic_name=f"T{number}")
    await publisher.ask("publish_msg", topic_name="T2", msg="x")
    now = broker.snapshot(rows=1)
    assert now.topic_count == 4
    assert [one.name for one in now.topics] == ["T2"]


async def test_stopping_and_a_full_disk_are_told(database: str) -> None:
    async with Broker(Settings(store_url=database, port=0)) as broker:
        assert broker.snapshot().condition is Condition.SERVING
        broker._hub.log.close(Reason.LOW_DISK, "the disk is full")
        now = broker.snapshot()
        assert (now.condition, now.trouble) == (Condition.LOW_DISK, "the disk is full")
        broker._hub.log.reopen()
    assert broker.snapshot().condition is Condition.STOPPING


def test_the_size_of_the_data_is_that_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b").write_bytes(b"x" * 20)
    assert _bytes_below(tmp_path) == 120


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_latency_is_right_to_a_tenth(share: float) -> None:
    latencies = Latencies()
    for milliseconds in range(1, 101):
        latencies.add(milliseconds / 1_000, 1, now=10.0)
    (found,) = latencies.percentiles([share], now=10.0)
    assert found is not None
    assert share * 0.1 <= found <= share * 0.1 * 1.1001


def test_latencies_are_forgotten_after_a_minute() -> None:
    latencies = Latencies()
    latencies.add(1.0, 99, now=0.0)
    latencies.add(0.001, 1, now=58.0)
    assert (latencies.percentiles([0.5], now=58.0)[0] or 0) >= 1.0
    assert (latencies.percentiles([0.5], now=61.0)[0] or 0) < 0.01
    assert latencies.percentiles([0.5], now=200.0) == [None]
