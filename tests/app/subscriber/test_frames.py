"""What the subscriber's screen looks like in each of its states, at each size."""

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from broker import Broker
from clients import Publisher, Subscriber
from clients.backoff import Backoff
from tests.app.frames import SIZES, Looks, settled, until
from tests.app.subscriber.desk import ADA, Open, subscribed, without_dates

NEVER = Backoff(first_s=3600.0, longest_s=3600.0)

pytestmark = [
    pytest.mark.usefixtures("never_seen"),
    pytest.mark.parametrize("size", SIZES, ids=str),
]


@pytest.fixture
def looks(frames: SnapshotAssertion) -> Looks:
    """Waits until the screen is as the frame of a name has it."""

    async def wait_and_compare(pilot: Pilot[None], name: str) -> None:
        assert await settled(pilot, frames(name=name), without_dates) == frames

    return wait_and_compare


async def test_reading_at_each_size(
    address: str, bob: Publisher, screen: Open, looks: Looks, size: tuple[int, int]
) -> None:
    async with Subscriber(address, ADA, create=True):
        pass
    await bob.publish("orders.eu", "before ada subscribes")
    async with screen(size, notifications=False) as pilot:
        await looks(pilot, "no subscription")
        await pilot.press("1", "down", "down", "s")
        await until(pilot, "1 of 2 subscribed")
        await pilot.press("2")
        await looks(pilot, "nothing has come")
        await bob.publish_many("orders.eu", ["one", '{"order":8,"paid":true}', "three"])
        await looks(pilot, "live")
        await pilot.press("up", "enter")
        await looks(pilot, "in full")
        await pilot.press("escape")
        await bob.publish("orders.eu", "while held")
        await looks(pilot, "held")
        await pilot.press("slash", *"order")
        await looks(pilot, "filter")


async def test_questions_and_ends_at_each_size(
    address: str,
    bob: Publisher,
    broker: Broker,
    screen: Open,
    looks: Looks,
    size: tuple[int, int],
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish_many("orders.eu", ["one", "two"])
    async with screen(size, notifications=False) as pilot:
        await looks(pilot, "unread and live")
        await pilot.press("ctrl+e")
        await looks(pilot, "export")
        await pilot.press("escape", "1", "down", "down", "s")
        await looks(pilot, "question")
        await pilot.press("escape", "question_mark")
        await looks(pilot, "help")
        await pilot.press("escape", "2")
        async with Subscriber(address, ADA, auto_confirm=False):
            await looks(pilot, "taken over")
        await pilot.press("ctrl+t")
        await until(pilot, "Create account")
        await pilot.press("enter")
        await until(pilot, "● live")
        pilot.app.session.client._backoff = NEVER  # type: ignore[attr-defined]  # it is ours
        await bob.close()
        await broker.stop()
        await looks(pilot, "no broker")
        await pilot.app.session.client.close()  # type: ignore[attr-defined]  # it is ours
