"""What the publisher's screen looks like in each of its states, at each size."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from app.publisher.composer import Composer
from app.publisher.message_area import MessageArea
from broker import Broker
from clients import Phase, Publisher, State, Subscriber
from clients.backoff import Backoff
from tests.app.frames import SIZES, Looks, until
from tests.app.publisher.conftest import Opened, StandingClock

NEVER = Backoff(first_s=3600.0, longest_s=3600.0)

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("size", SIZES, ids=str)]


def client(pilot: Pilot[Any]) -> Publisher:
    publisher = pilot.app.session.client  # type: ignore[attr-defined]  # a PublisherApp
    assert isinstance(publisher, Publisher)
    return publisher


async def typed(pilot: Pilot[Any], text: str) -> None:
    pilot.app.screen.query_one(MessageArea).insert(text)
    await pilot.pause()


async def send_file(pilot: Pilot[Any], path: Path, rate: str = "") -> None:
    await pilot.press("ctrl+o")
    await until(pilot, "Send a file to")
    pilot.app.screen.query_one("#path", Input).value = str(path)
    pilot.app.screen.query_one("#rate", Input).value = rate
    await until(pilot, " messages")
    await pilot.press("ctrl+s")


async def test_topics_and_the_help_at_each_size(
    opened: Opened, looks: Looks, size: tuple[int, int]
) -> None:
    async with opened(size=size, notifications=False) as pilot:
        await looks(pilot, "no topics")
        await pilot.press("2", "x", "ctrl+s")
        await looks(pilot, "no topic is chosen")
        await pilot.press("escape", "n")
        await looks(pilot, "new topic")
        await pilot.press("t", "enter")
        await looks(pilot, "a topic is made")
        await pilot.press("escape", "n", "t", "enter")
        await looks(pilot, "there already")
        await pilot.press("escape", "slash", *"orders")
        await looks(pilot, "no topic matches")
        await pilot.press("escape", "question_mark")
        await looks(pilot, "help")
        await pilot.press("escape", "2", "f1")
        await looks(pilot, "help of the message")


async def test_what_cannot_be_sent_at_each_size(
    opened: Opened, looks: Looks, size: tuple[int, int], tmp_path: Path
) -> None:
    async with opened("orders", size=size, notifications=False) as pilot:
        await typed(pilot, '{"order": 12')
        await pilot.press("f3", "f3", "ctrl+s")
        await looks(pilot, "not JSON")
        pilot.app.screen.query_one(Composer).limit = 1024
        await typed(pilot, "x" * 1024)
        await looks(pilot, "too large")
        await pilot.press("ctrl+l", "f3", "f4", *"21.5")
        await looks(pilot, "one line")
        await pilot.press("ctrl+r", *"zz")
        await looks(pilot, "nothing to recall")
        await pilot.press("escape", "ctrl+o", *"/nowhere", "tab", "tab", *"many", "enter")
        await looks(pilot, "no rate")
        await pilot.press(*["backspace"] * 4, "enter")
        await looks(pilot, "no file")


async def test_what_becomes_of_messages_at_each_size(
    opened: Opened,
    publisher: Callable[..., Awaitable[None]],
    looks: Looks,
    broker: Broker,
    clock: StandingClock,
    tmp_path: Path,
    size: tuple[int, int],
) -> None:
    address = f"127.0.0.1:{broker.port}"
    (tmp_path / "mixed.txt").write_bytes(b"one\n\xff\nthree\n")
    (tmp_path / "slow.txt").write_text("x\n" * 50)
    await publisher("orders")
    eve = Subscriber(address, "eve@example.com", create=True, auto_confirm=False)
    async with eve, AsyncExitStack() as stack:
        await eve.subscribe("orders")
        pilot = await stack.enter_async_context(opened("orders", size=size, notifications=False))
        pilot.app.screen.query_one(Composer).choose("missing")
        await pilot.press("h", "i", "ctrl+s")
        await until(pilot, "1 failed")
        pilot.app.screen.query_one(Composer).choose("orders")
        await pilot.press("y", "o", "ctrl+s", "escape", "3")
        await until(pilot, "1 stored")
        await until(pilot, "0 of 1" if size[0] > 80 else "yo")
        await looks(pilot, "refused and stored")
        async for one in eve:
            eve.confirm(one.topic, one.seq)
            break
        clock.time += 60
        await until(pilot, "✓✓")
        await looks(pilot, "got by all")
        await send_file(pilot, tmp_path / "mixed.txt")
        await looks(pilot, "a file with faults")
        await send_file(pilot, tmp_path / "slow.txt", rate="0.001")
        await looks(pilot, "a file is sent")
        await pilot.press("p")
        await looks(pilot, "a file is paused")
        await pilot.press("c")
        await looks(pilot, "a file is cancelled")


async def test_how_a_connection_ends_at_each_size(
    opened: Opened,
    looks: Looks,
    broker: Broker,
    clock: StandingClock,
    size: tuple[int, int],
) -> None:
    async with opened("orders", size=size, notifications=False) as pilot:
        await pilot.press("m", "1", "ctrl+s")
        await until(pilot, "1 stored")
        await pilot.press("ctrl+t")
        await looks(pilot, "signing in again")
        await pilot.press("enter")
        await until(pilot, "0 stored")
        await until(pilot, "1 topic")
        client(pilot)._backoff = NEVER
        await broker.stop()
        await pilot.press("escape", "2", "m", "2", "ctrl+s", "escape", "3")
        clock.time += 7
        await looks(pilot, "reconnecting")
        await pilot.press("escape")
        await looks(pilot, "reconnecting, at the topics")
        await pilot.press("q")
        await looks(pilot, "unsent")
        await pilot.press("enter")
        await looks(pilot, "waiting for what is unsent")
        await pilot.press("escape")
        await client(pilot).close()
        await pilot.press("3")
        await looks(pilot, "closed")
        refused = State(Phase.REFUSED, why="the account ada@example.com has been deleted")
        pilot.app.session._on_state(refused)  # type: ignore[attr-defined]  # a PublisherApp
        await pilot.press("escape", "2")
        await looks(pilot, "refused")
