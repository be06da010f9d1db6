"""What the subscriber's screen shows of messages and topics that are gone."""

import pytest

from broker import Broker
from clients import Publisher
from tests.app.frames import frame, gone, until
from tests.app.subscriber.desk import Open, subscribed, take_out, unread

pytestmark = pytest.mark.usefixtures("never_seen")


async def test_a_row_stands_in_the_place_of_what_is_gone(
    broker: Broker, address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "audit")
    await bob.publish_many("audit", map(str, range(500)))
    await take_out(broker)
    await bob.publish("audit", "still here")
    async with screen() as pilot:
        await until(pilot, "audit: messages 1 to 500 are gone: the broker no")
        await until(pilot, "audit: 1 unread from before you signed in")
        await until(pilot, "still here")
        await until(pilot, "unread 1")
        text = frame(pilot.app)
        assert text.index("are gone") < text.index("1 unread from") < text.index("still here")
    assert await unread(address, "audit") == 1


async def test_from_the_first_one_on_means_from_the_first_that_is_there(
    broker: Broker, address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address)
    await bob.publish_many("audit", ["a", "b"])
    await take_out(broker)
    await bob.publish("audit", "still here")
    async with screen() as pilot:
        await until(pilot, "Not subscribed")
        await pilot.press("down", "S")
        await until(pilot, "audit: 1 stored message")
        await until(pilot, "still here")
        assert "are gone" not in frame(pilot.app)


async def test_a_topic_that_is_deleted_leaves_the_list_and_a_row(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "audit", "orders.eu")
    async with screen() as pilot:
        await until(pilot, "2 of 2 subscribed")
        await bob.publish("audit", "the last one")
        await until(pilot, "the last one")
        await pilot.press("1", "down")  # on it
        await until(pilot, "╭─ audit")
        await bob.delete_topic("audit")
        await until(pilot, "audit: was deleted")
        await until(pilot, "1 of 1 subscribed")
        await bob.publish_many("orders.eu", ["goes on", "and on"])
        await until(pilot, "unread 2")
        assert "1 of 1 subscribed" in frame(pilot.app)  # it has not come back


async def test_a_topic_nobody_here_is_subscribed_to_leaves_the_list_too(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "audit")
    async with screen() as pilot:
        await until(pilot, "orders.eu")
        await bob.delete_topic("orders.eu")
        await gone(pilot, "orders.eu")
