"""Copying on JetStream where it differs from others: who is there, room, producers' marks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from broker.store.copying import (
    CopiedAccount,
    CopiedProducer,
    CopiedTopic,
    TopicBlocks,
    blocks_between,
)
from broker.store.errors import StoreLost, StoreRefused, StoreUnusable
from broker.store.interface import Account, StoredBlock
from broker.store.jetstream import JetStreamStore
from broker.store.jetstream.connection import Answer, Connection
from broker.store.jetstream.copying import JetStreamCopy
from broker.store.jetstream.faults import NoAnswer
from broker.store.places import copyable
from protocol.frames import encode_bodies
from protocol.names import Role
from tests.broker.store.jetstream.conftest import Side, block
from tests.doubles.relay import Relay

THEN = datetime(2024, 1, 1, tzinfo=UTC)
SHOP = CopiedAccount("shop@b.c", Role.PUBLISHER, None)
DEPOT = CopiedAccount("depot@b.c", Role.PUBLISHER, None)
ORDERS = CopiedTopic("ORDERS", "shop@b.c", THEN, 0, 0)


@pytest.fixture
async def copy(jetstream: str) -> AsyncIterator[JetStreamCopy]:
    store = JetStreamCopy(jetstream, JetStreamStore(jetstream, alone=True))
    await filled(store)
    yield store
    await store.close()


async def filled(store: JetStreamCopy) -> None:
    await store.open(there=False)
    await store.put_accounts([SHOP, DEPOT])
    await store.put_topics([ORDERS])


def old_block(first_seq: int, *texts: str, by: tuple[str, ...] = ("shop@b.c",)) -> StoredBlock:
    return StoredBlock(first_seq, len(texts), by, THEN, encode_bodies(texts))


# who is there


async def test_what_is_served_is_not_copied_and_what_is_copied_is_not_served(
    jetstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.store.jetstream.store.HEARD_TIMEOUTS_S", (0.5,))
    heard: list[str | None] = []
    served = JetStreamStore(jetstream)
    served.listen(heard.append)
    await served.open()
    with pytest.raises(StoreUnusable, match="is in use: brokers are serving it"):
        await copyable(jetstream).open(there=False)
    assert heard == []
    await served.close()
    monkeypatch.undo()
    copied = copyable(jetstream)
    await copied.open(there=True)
    monkeypatch.setattr("broker.store.jetstream.store.HEARD_TIMEOUTS_S", (0.5,))
    with pytest.raises(StoreUnusable, match="is being copied by `pubsub copy`"):
        await served.open()
    with pytest.raises(StoreUnusable, match="is being copied already"):
        await copyable(jetstream).open(there=True)
    await copied.close()
    monkeypatch.undo()
    await served.open()
    await served.close()


async def test_a_server_that_is_silent_for_a_while_does_not_keep_a_broker_away(
    jetstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = [True]
    ask = Connection.ask

    async def ask_in_vain(connection: Connection, subject: str, *some: Any, **more: Any) -> Answer:
        if subject.endswith(".alone") and silent:
            silent.pop()
            raise NoAnswer
        return await ask(connection, subject, *some, **more)

    monkeypatch.setattr(Connection, "ask", ask_in_vain)
    served = JetStreamStore(jetstream)
    await served.open()
    assert not silent
    await served.close()


async def test_nothing_is_put_once_a_broker_may_have_come_between(jetstream: str) -> None:
    url = urlsplit(jetstream)
    relay = Relay(lambda: asyncio.open_connection(url.hostname, url.port))
    async with relay.listening() as port:
        through = f"nats://127.0.0.1:{port}?{url.query}"
        store = JetStreamCopy(through, JetStreamStore(through, alone=True))
        await filled(store)
        await store.check_alone()
        await relay.cut()
        with pytest.raises(StoreLost):
            while True:
                await store.check_alone()
        with pytest.raises(StoreLost):
            await store.put_blocks([TopicBlocks("ORDERS", [old_block(1, "a")])])
        await store.close()


async def test_whoever_writes_in_between_ends_the_copy(copy: JetStreamCopy, jetstream: str) -> None:
    await copy.put_blocks([TopicBlocks("ORDERS", [old_block(1, "a")])])
    other = JetStreamCopy(jetstream, JetStreamStore(jetstream, alone=True))
    await other._store.open()
    await other.topics()
    await other.put_blocks([TopicBlocks("ORDERS", [old_block(2, "x")])])
    with pytest.raises(StoreRefused, match="somebody else writes to the stream"):
        await copy.put_blocks([TopicBlocks("ORDERS", [old_block(2, "b")])])
    await other.close()


async def test_one_store_is_known_by_its_servers_and_prefix(
    copy: JetStreamCopy, jetstream: str, database: str
) -> None:
    there, _, options = jetstream.partition("?")
    assert await copy.is_same(copyable(f"{there},127.0.0.1:1?{options}&replicas=1"))
    assert not await copy.is_same(copyable(f"{there}?prefix=other"))
    assert not await copy.is_same(copyable(database))


async def test_a_source_without_anything_of_a_broker_is_refused_and_left_so(
    jetstream: str, copy: JetStreamCopy
) -> None:
    nothing = f"{jetstream}none"
    with pytest.raises(StoreUnusable, match="holds nothing of a broker under 'test"):
        await copyable(nothing).open(there=True)
    streams = copy._store.parts.streams
    assert await streams.look(f"KV_{urlsplit(nothing).query.partition('=')[2]}_meta") is None


@pytest.mark.parametrize("begin", [Side.session, Side.begun])
async def test_a_store_in_which_a_session_has_begun_has_been_used(
    copy: JetStreamCopy, jetstream: str, begin: Callable[[Side, Account], Awaitable[object]]
) -> None:
    await copy.put_producers([CopiedProducer("shop@b.c", "p", 3, ())])
    assert not await copy.has_been_used()
    await copy.close()
    served = Side(jetstream)
    await served.open()
    shop = await served.find_account("shop@b.c")
    assert shop is not None
    await begin(served, shop)
    await served.close()
    await copy.open(there=True)
    assert await copy.has_been_used()


# what it holds


async def test_blocks_that_have_no_room_in_a_message_are_cut(copy: JetStreamCopy) -> None:
    texts = ["x" * 100_000, *["y"] * 9_000, *["z" * 400_000] * 6]
    by = tuple(["shop@b.c", "depot@b.c", ""][place % 3] for place in range(len(texts)))
    whole = old_block(1, *texts, by=by)
    await copy.put_blocks([TopicBlocks("ORDERS", [whole, old_block(len(texts) + 1, "end")])])
    found = [
        one
        async for part in blocks_between(copy, "ORDERS", 0, len(texts) + 1)
        for one in part.blocks
    ]
    assert len(found) > 4
    assert b"".join(one.bodies for one in found) == encode_bodies([*texts, "end"])
    publishers = [
        who
        for one in found
        for who in (one.publishers if len(one.publishers) > 1 else one.publishers * one.count)
    ]
    assert publishers == [*by, "shop@b.c"]
    # And again, as after a break: what is there is left out, in the middle of a block too.
    await copy.put_blocks([TopicBlocks("ORDERS", [whole, old_block(len(texts) + 1, "end")])])
    assert [topic.head for topic in await copy.topics()] == [len(texts) + 1]


async def test_a_message_that_is_too_large_for_the_server_is_told(copy: JetStreamCopy) -> None:
    large = old_block(1, "a", "b" * 2**20)
    with pytest.raises(StoreRefused, match="message 2 of topic 'ORDERS' has 1,048,579 bytes"):
        await copy.put_blocks([TopicBlocks("ORDERS", [large])])
    assert [topic.head for topic in await copy.topics()] == [0]


async def test_retention_sees_how_old_a_copied_message_is(
    copy: JetStreamCopy, jetstream: str
) -> None:
    later = replace(old_block(2, "b"), committed_at=datetime.now(UTC))
    await copy.put_blocks([TopicBlocks("ORDERS", [old_block(1, "a"), later])])
    await copy.put_topics([replace(ORDERS, name="GONE", tail=7)])
    await copy.put_topics([replace(ORDERS, name="GONE", tail=9)])
    await copy.put_blocks([TopicBlocks("GONE", [old_block(10, "c"), replace(later, first_seq=11)])])
    await copy.close()
    served = JetStreamStore(jetstream)
    await served.open()
    ids = {topic.name: topic.id for topic in await served.topics()}
    expired = dict(await served.expired(3600.0, None))
    assert expired == {ids["ORDERS"]: 1, ids["GONE"]: 10}
    await served.close()


async def test_what_a_killed_broker_left_of_producers_is_copied(jetstream: str) -> None:
    served = Side(jetstream)
    await served.open()
    shop, depot = await served.account("shop@b.c"), await served.account("depot@b.c")
    orders = await served.topic("ORDERS", shop)
    for number in (1, 2):
        begun = await served.begun(shop)
        mark = replace(begun, last_id=number, refused=(number, number))
        await served.put(block(orders, shop, "a"), marks=(mark,))
    await served.begun(depot, "gone")
    await served.delete_account(depot.id)
    await served._abandon()  # as a broker that is killed: nothing is brought up to date
    copied = copyable(jetstream)
    await copied.open(there=True)
    found = [one async for chunk in copied.producers() for one in chunk]
    assert found == [CopiedProducer("shop@b.c", "p", 2, (2, 2))]
    assert [one.email async for chunk in copied.accounts() for one in chunk] == ["shop@b.c"]
    await copied.close()


async def test_a_producer_that_published_to_a_topic_that_is_gone_is_copied(jetstream: str) -> None:
    served = Side(jetstream)
    await served.open()
    shop = await served.account("shop@b.c")
    orders = await served.topic("ORDERS", shop)
    mark = replace(await served.begun(shop), last_id=3)
    await served.put(block(orders, shop, "a"), marks=(mark,))
    await served.delete_topic(orders.id)
    await served._abandon()
    copied = copyable(jetstream)
    await copied.open(there=True)
    found = [one async for chunk in copied.producers() for one in chunk]
    assert found == [CopiedProducer("shop@b.c", "p", 3, ())]
    await copied.close()
