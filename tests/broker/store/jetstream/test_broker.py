"""A broker on JetStream, over the wire."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from broker import Broker, Settings
from broker.settings import MIB
from broker.store.jetstream.opening import ROOM_BYTES
from tests.wire import Wire

LARGEST = 1 * MIB - ROOM_BYTES  # what a server takes that says nothing else


@pytest.fixture
async def broker(jetstream: str) -> AsyncIterator[Broker]:
    async with Broker(Settings(store_url=jetstream, port=0)) as running:
        yield running


async def publisher_on(broker: Broker) -> tuple[Wire, dict[str, Any]]:
    publisher = await Wire.open(broker.port)
    told = await publisher.ask("create", user_email="p@b.c", user_type="publisher", version=2)
    await publisher.ask("create_topic", topic_name="T")
    return publisher, told


async def test_a_message_is_as_large_as_the_server_has_room_for(broker: Broker) -> None:
    publisher, told = await publisher_on(broker)
    assert told["limits"]["message_bytes"] == LARGEST
    largest = "x" * (LARGEST - 2)
    answer = await publisher.ask("publish_msg", topic_name="T", msg=largest)
    assert (answer["action"], answer["seq"]) == ("success", 1)
    answer = await publisher.ask("publish_msg", topic_name="T", msg=largest + "x")
    assert answer["action"] == "error"
    answer = await publisher.ask("publish_msg", topic_name="T", msg="small")
    assert (answer["action"], answer["seq"]) == ("success", 2)
    await publisher.close()


async def test_what_is_published_together_is_one_block(broker: Broker) -> None:
    publisher, _ = await publisher_on(broker)
    many = [""] * 20_000  # more than a block has otherwise
    answer = await publisher.ask("publish_many", topic_name="T", msgs=many)
    assert answer["action"] == "success", answer
    (topic,) = await broker._store.topics()
    (block,) = await broker._store.read(topic.id, 1, 2**20)
    assert block.count == len(many)
    await publisher.close()


async def test_a_backlog_is_delivered_in_order(broker: Broker) -> None:
    publisher, _ = await publisher_on(broker)
    subscriber = await Wire.open(broker.port)
    await subscriber.ask("create", user_email="s@b.c", user_type="subscriber")
    await subscriber.ask("subscribe", topic_name="T")
    for number in range(300):
        publisher.send("publish_msg", topic_name="T", msg=f"{number}")
    await publisher.read_many(300)
    lines = await subscriber.read_many(300)
    assert [line["message"] for line in lines] == [f"{number}" for number in range(300)]
    await publisher.close()
    await subscriber.close()
