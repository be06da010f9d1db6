"""Reading: what was unread comes first, what was seen is confirmed, and nothing else is."""

import pytest
from syrupy.assertion import SnapshotAssertion

from clients import Publisher
from tests.app.frames import settled, until
from tests.app.subscriber.desk import Open, confirmed, shown, subscribed, told, unread


@pytest.mark.usefixtures("never_seen")
async def test_what_was_unread_comes_first_between_its_dividers(
    address: str, bob: Publisher, screen: Open, frames: SnapshotAssertion
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish_many("orders.eu", ['{"order":7}', "shipment delayed", '{"order":8}'])
    async with screen() as pilot:
        await until(pilot, "live since")
        await bob.publish("orders.eu", "and one that is new")
        await until(pilot, "unread 4")
        assert await settled(pilot, frames, shown) == frames
    assert await unread(address, "orders.eu") == 4


async def test_what_was_on_the_screen_for_a_second_is_read(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish_many("orders.eu", ["1", "2", "3"])
    async with screen() as pilot:
        await until(pilot, "unread 3")
        await until(pilot, "unread 0")
        await confirmed(bob, "orders.eu", 3)
    assert await unread(address, "orders.eu") == 0


@pytest.mark.usefixtures("seen_at_once")
async def test_nothing_is_read_while_the_reader_is_elsewhere(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await until(pilot, "Waiting for the first message.")
        await pilot.press("1")
        await bob.publish("orders.eu", "while in the list")
        await until(pilot, "while in the list")
        await until(pilot, "unread 1")
        await pilot.press("2")
        await until(pilot, "unread 0")


@pytest.mark.usefixtures("seen_at_once")
async def test_what_was_never_on_the_screen_stays_unread_until_all_is_marked_as_read(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish_many("orders.eu", [f"order {number}" for number in range(1, 301)])
    async with screen() as pilot:
        await until(pilot, "order 300")
        await until(pilot, "unread 300")
    assert await unread(address, "orders.eu") == 300
    async with screen() as pilot:
        await until(pilot, "order 300")
        await pilot.press("A")
        await told(pilot, "300 messages marked as read")
        await until(pilot, "unread 0")
        await confirmed(bob, "orders.eu", 300)
    assert await unread(address, "orders.eu") == 0


@pytest.mark.usefixtures("seen_at_once")
async def test_the_reader_goes_from_the_oldest_unread_message_on(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish_many("orders.eu", [f"order {number}" for number in range(1, 61)])
    async with screen() as pilot:
        await until(pilot, "order 60")
        await pilot.press("a")
        await until(pilot, "row 1 of 60")
        for _ in range(3):
            await pilot.press("pagedown")
            await pilot.pause(0.1)
        await until(pilot, "unread 0")
        await pilot.press("a")
        await told(pilot, "everything here has been read")


@pytest.mark.usefixtures("seen_at_once")
async def test_more_than_the_screen_holds_leaves_it_and_stays_unread(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish_many("orders.eu", [f"order {number}" for number in range(1, 301)])
    async with screen(keep=100) as pilot:
        await until(pilot, "order 300")
        await pilot.press("g")
        await until(pilot, "older rows have left this view")
        await until(pilot, "unread 300")


@pytest.mark.usefixtures("seen_at_once")
async def test_one_topic_is_marked_as_read_where_one_is_shown(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu", "audit")
    for topic in ("orders.eu", "audit"):
        await bob.publish_many(topic, [f"{topic} {number}" for number in range(1, 101)])
    async with screen() as pilot:
        await until(pilot, "unread 200")
        await pilot.press("1", "down")
        await until(pilot, "audit 100")
        await pilot.press("A")
        await told(pilot, "100 messages marked as read")
        await until(pilot, "unread 100")
