"""What a subscriber knows of the messages that were published while it was away."""

from broker import Broker
from clients import Publisher, Subscriber


async def publish(broker: Broker, *texts: str) -> None:
    address = f"127.0.0.1:{broker.port}"
    async with Publisher(address, "bob@example.com", create=True) as publisher:
        await publisher.create_topic("ORDERS", exist_ok=True)
        await publisher.publish_many("ORDERS", texts)


async def test_the_backlog_is_what_was_published_while_the_subscriber_was_away(
    broker: Broker,
) -> None:
    address = f"127.0.0.1:{broker.port}"
    await publish(broker, "1", "2")
    async with Subscriber(address, "ada@example.com", create=True) as subscriber:
        assert subscriber.backlog == {}
        await subscriber.subscribe("ORDERS", "all")
        assert [(await anext(subscriber)).seq for _ in range(2)] == [1, 2]
    await publish(broker, "3", "4", "5")
    async with Subscriber(address, "ada@example.com") as subscriber:
        assert subscriber.backlog == {"ORDERS": range(3, 6)}


async def test_after_a_lost_connection_the_backlog_leaves_out_what_had_come_before(
    broker: Broker,
) -> None:
    address = f"127.0.0.1:{broker.port}"
    await publish(broker, "1", "2")
    async with Subscriber(address, "ada@example.com", create=True, auto_confirm=False) as ada:
        await ada.subscribe("ORDERS", "all")
        assert [(await anext(ada)).seq for _ in range(2)] == [1, 2]
        before = ada.backlog
        assert ada._link is not None
        ada._link.abort("cut by the test")
        await ada.topics()  # waits for the next connection
        assert ada.backlog is not before
        assert ada.backlog == {"ORDERS": range(3, 3)}
