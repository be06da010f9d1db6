"""What the subscriber's screen looks like in each of its states, at each size."""

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import Input

from app.subscriber.receiving import Receiving
from broker import Broker, Settings
from clients import Phase, Publisher, State, Subscriber
from clients.backoff import Backoff
from tests.app.frames import SIZES, Looks, settled, until
from tests.app.subscriber.desk import (
    ADA,
    BOB,
    Open,
    subscribed,
    take_out,
    without_dates,
)

NEVER = Backoff(first_s=3600.0, longest_s=3600.0)

pytestmark = [
    pytest.mark.slow,
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


async def test_questions_at_each_size(
    address: str, bob: Publisher, screen: Open, looks: Looks, size: tuple[int, int]
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


async def test_how_a_connection_ends_at_each_size(
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
        await until(pilot, "row 2 of 2")
        await pilot.press("1", "down", "down", "2")
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


async def test_what_other_sessions_did_at_each_size(
    address: str,
    database: str,
    broker: Broker,
    bob: Publisher,
    screen: Open,
    looks: Looks,
    size: tuple[int, int],
) -> None:
    """While the screen's connection is lost, which it is twice."""
    await subscribed(address, "orders.eu")
    settings = Settings(store_url=database, port=broker.port)
    async with screen(size, notifications=False) as pilot:
        await bob.publish_many("orders.eu", ["one", "two"])
        await until(pilot, "row 2 of 2")
        client = pilot.app.session.client  # type: ignore[attr-defined]  # a SubscriberApp
        client._backoff = NEVER
        await bob.close()
        await broker.stop()
        await until(pilot, "reconnecting in")
        async with Broker(settings), Publisher(address, BOB) as again:
            async with Subscriber(address, ADA) as other:
                await again.publish_many("orders.eu", ["three", "four", "five"])
                while (await anext(other)).text != "four":
                    pass
            await pilot.press("r")
            await until(pilot, "● live")
            await again.publish("orders.eu", "six")
            await looks(pilot, "read in another session")
        await until(pilot, "reconnecting in")
        async with Broker(settings):
            async with Publisher(address, BOB) as again, Subscriber(address, ADA) as other:
                await again.delete_topic("orders.eu")
                await again.create_topic("orders.eu")
                await other.subscribe("orders.eu")
                await again.publish("orders.eu", "anew")
            await pilot.press("r")
            await looks(pilot, "begins anew")
            refused = State(Phase.REFUSED, why="the account ada@example.com has been deleted")
            pilot.app.session._on_state(refused)  # type: ignore[attr-defined]
            await looks(pilot, "refused")
            await client.close()


async def test_exports_and_filters_that_fail_at_each_size(
    address: str,
    bob: Publisher,
    screen: Open,
    looks: Looks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("messages.jsonl").touch()
    await subscribed(address, "orders.eu")
    async with screen(size, notifications=False) as pilot:
        await bob.publish("orders.eu", "one")
        await until(pilot, "row 1 of 1")
        await pilot.press("ctrl+e", "enter")
        await looks(pilot, "export, there already")
        await pilot.press(*"/x", "enter")
        await looks(pilot, "export, not possible")
        await pilot.press("escape", "slash", *"nothing like it")
        await looks(pilot, "filter, nothing found")
        pilot.app.screen.query_one("FilterBar Input", Input).value = "re:["
        await looks(pilot, "filter, no pattern")


async def test_what_is_gone_at_each_size(
    address: str,
    bob: Publisher,
    broker: Broker,
    screen: Open,
    looks: Looks,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    await subscribed(address, "audit", "orders.eu")
    await bob.publish_many("audit", map(str, range(500)))
    await take_out(broker)
    await bob.publish("audit", "still here")
    async with screen(size, notifications=False) as pilot:
        await looks(pilot, "gone")
        await pilot.press("1", "down", "m", "t")
        await looks(pilot, "muted, and in UTC")
        await bob.delete_topic("audit")
        await until(pilot, "1 of 1 subscribed")
        await looks(pilot, "deleted")
        await pilot.press("slash", *"zz")
        await looks(pilot, "no topic matches")
        monkeypatch.setattr(Receiving, "progress", (40_000, 100_000))
        await pilot.press("escape", "2")
        await looks(pilot, "catching up")


async def test_no_topics_at_each_size(
    address: str, screen: Open, looks: Looks, size: tuple[int, int]
) -> None:
    async with Subscriber(address, ADA, create=True):
        pass
    async with screen(size, notifications=False) as pilot:
        await looks(pilot, "no topics")
