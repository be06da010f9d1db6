"""A connection that is lost, comes back, or is taken over, as the subscriber's screen shows it."""

import asyncio

import pytest
from syrupy.assertion import SnapshotAssertion

from broker import Broker, Settings
from clients import Publisher, Subscriber
from clients.backoff import Backoff
from tests.app.frames import settled, until
from tests.app.subscriber.desk import ADA, BOB, Noting, Open, confirmed, rows, subscribed

NEVER = Backoff(first_s=3600.0, longest_s=3600.0)


async def test_what_was_missed_comes_under_a_divider_that_says_how_much(
    database: str, broker: Broker, bob: Publisher, screen: Open, frames: SnapshotAssertion
) -> None:
    address = f"127.0.0.1:{broker.port}"
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await bob.publish("orders.eu", "before")
        await confirmed(bob, "orders.eu", 1)
        assert isinstance(pilot.app, Noting)
        client = pilot.app.session.client
        assert client is not None
        client._backoff = NEVER
        await bob.close()
        await broker.stop()
        await until(pilot, "reconnecting in")
        await until(pilot, "before")  # it can still be read
        async with Broker(Settings(store_url=database, port=broker.port)):
            async with Publisher(address, BOB) as again:
                await again.publish_many("orders.eu", ["missed 1", "missed 2"])
            await pilot.press("r")
            await until(pilot, "2 missed delivered")
            await until(pilot, "missed 2")
            await until(pilot, "row 3 of 3")
            await until(pilot, "unread 0")
            assert await settled(pilot, frames, rows(2, 8)) == frames
            await client.close()


async def test_a_newer_session_takes_over_and_one_key_signs_in_again(
    address: str, bob: Publisher, screen: Open, frames: SnapshotAssertion
) -> None:
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await bob.publish("orders.eu", "still here")
        await confirmed(bob, "orders.eu", 1)
        async with Subscriber(address, ADA):
            await until(pilot, "a newer session of this account has taken over")
            await until(pilot, "Ctrl+T signs in again")
            await until(pilot, "still here")
            assert await settled(pilot, frames, rows(0, 6)) == frames
            await pilot.press("1", "down", "s")  # nothing that cannot be done is pretended
            await until(pilot, "○ audit")
        await pilot.press("ctrl+t")
        await until(pilot, "Create account")
        await pilot.press("enter")
        await until(pilot, "● live")
        await until(pilot, "Waiting for the first message.")


@pytest.mark.usefixtures("seen_at_once")
async def test_what_another_session_has_read_does_not_come_again(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish_many("orders.eu", ["1", "2"])
    async with Subscriber(address, ADA) as other:
        async with asyncio.timeout(10):
            assert [(await anext(other)).text for _ in range(2)] == ["1", "2"]
    async with screen() as pilot:
        await until(pilot, "unread 0")
        await until(pilot, "Waiting for the first message.")


async def test_a_fault_of_ours_is_told_for_good_and_not_hidden(
    address: str, bob: Publisher, screen: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribed(address, "orders.eu")

    def failing(_: Subscriber) -> None:
        raise RuntimeError("[/x] broken")

    monkeypatch.setattr(Subscriber, "blocks", failing)
    async with screen() as pilot:
        await until(pilot, "receive failed, which should not happen: RuntimeError('[/x] broken')")
