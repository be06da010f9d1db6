"""One connection of version 2: replies by id, deliveries, and how it ends."""

import asyncio

import pytest

from broker import Broker, Settings
from clients import Address, Connection, ConnectionLost, NoBroker, RequestRefused
from clients.connection import BLOCKS_AHEAD
from protocol.incoming import BlockOfMessages, Succeeded
from protocol.requests import Create, CreateTopic, Ping, PublishMsg, Subscribe


async def signed_in(broker: Broker, email: str, role: str) -> Connection:
    connection = await Connection.open([Address("127.0.0.1", broker.port)])
    await connection.ask(Create(user_email=email, user_type=role, version=2))
    return connection


async def test_replies_find_their_requests_whatever_else_is_under_way(broker: Broker) -> None:
    async with await signed_in(broker, "p@b.c", "publisher") as publisher:
        await publisher.ask(CreateTopic(topic_name="T"))
        replies = [
            publisher.send(PublishMsg(topic_name="T", msg=str(number))) for number in range(100)
        ]
        refused = publisher.send(PublishMsg(topic_name="?", msg="x"))
        seqs = []
        for reply in await asyncio.gather(*replies):
            assert isinstance(reply, Succeeded)
            seqs.append(reply.seq)
        assert seqs == [*range(1, 101)]
        with pytest.raises(RequestRefused) as error:
            await refused
        assert error.value.reason == "topic_not_found"


async def test_a_reply_comes_through_a_backlog_that_nobody_takes(broker: Broker) -> None:
    async with (
        await signed_in(broker, "p@b.c", "publisher") as publisher,
        await signed_in(broker, "s@b.c", "subscriber") as subscriber,
    ):
        await publisher.ask(CreateTopic(topic_name="T"))
        await subscriber.ask(Subscribe(topic_name="T"))
        count = 3 * BLOCKS_AHEAD
        for number in range(count):  # a block each
            await publisher.ask(PublishMsg(topic_name="T", msg=str(number)))
        assert isinstance(await subscriber.ask(Ping()), Succeeded)
        texts: list[str] = []
        while len(texts) < count:
            block = await subscriber.delivery()
            assert isinstance(block, BlockOfMessages)
            texts += block.messages
        assert texts == [str(number) for number in range(count)]


async def test_when_the_broker_stops_the_reason_is_told_to_all_who_wait(database: str) -> None:
    broker = Broker(Settings(store_url=database, port=0))
    await broker.start()
    async with await signed_in(broker, "s@b.c", "subscriber") as subscriber:
        waiting = asyncio.create_task(subscriber.delivery())
        await broker.stop()
        for _ in range(2):
            with pytest.raises(ConnectionLost, match="being stopped"):
                await waiting
            waiting = asyncio.create_task(subscriber.delivery())
        with pytest.raises(ConnectionLost, match="being stopped"):
            await waiting
        with pytest.raises(ConnectionLost):
            await subscriber.ask(Ping())


async def test_the_first_broker_that_answers_is_taken(broker: Broker) -> None:
    nobody, somebody = Address("127.0.0.1", 1), Address("127.0.0.1", broker.port)
    async with await Connection.open([nobody, somebody]) as connection:
        reply = await connection.ask(Create(user_email="a@b.c", user_type="publisher", version=2))
        assert isinstance(reply, Succeeded)


async def test_no_broker_says_where_it_looked_and_what_to_do() -> None:
    with pytest.raises(NoBroker, match=r"127\.0\.0\.1:1: Connection refused.*pubsub broker"):
        await Connection.open([Address("127.0.0.1", 1)])
