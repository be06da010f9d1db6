"""What ada and bob do besides looking at the screen, and what it shows."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from app.screens.app import Options
from app.subscriber.app import SubscriberApp
from broker import Broker, Settings
from broker.retention import Retention
from clients import Publisher, Subscriber
from tests.app.frames import steady

ADA, BOB = "ada@example.com", "bob@example.com"
BARS = "▂▃▄▅▆▇█"

Open = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


async def subscribed(address: str, *topics: str, read: bool = True) -> None:
    """Make ada's account, subscribed to `topics`; with `read` all there is counts as read."""
    async with Subscriber(address, ADA, create=True) as subscriber:
        for topic in topics:
            await subscriber.subscribe(topic, "new" if read else "all")


async def unread(address: str, topic: str) -> int:
    """How much of `topic` is unread for ada, as the broker counts it."""
    async with Subscriber(address, ADA, auto_confirm=False) as subscriber:
        states = {one.topic_name: one.unread for one in await subscriber.subscriptions()}
    return states[topic]


async def confirmed(bob: Publisher, topic: str, seq: int) -> None:
    """Wait until the broker has it that everybody has read `topic` up to `seq`."""
    async with asyncio.timeout(10):
        while True:
            state = await bob.confirmations(topic, seq)
            if state.confirmed == state.subscriptions:
                return
            await asyncio.sleep(0.01)


async def take_out(broker: Broker) -> None:
    """Let all messages be too old."""
    hub = broker._hub
    settings = Settings(store_url="postgresql:///", retain_for_s=0.0)
    await Retention(settings, hub.store, hub.log, hub.topics).take_out()


class Noting(SubscriberApp):
    """Notes its toasts: they are gone soon, and go over several lines."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.said: list[str] = []

    def say(self, text: str, *, failed: bool = False) -> None:
        self.said.append(text)
        super().say(text, failed=failed)


async def told(pilot: Pilot[None], text: str) -> None:
    """Wait for a toast that says `text`, after those that were waited for before."""
    app = pilot.app
    assert isinstance(app, Noting)
    try:
        async with asyncio.timeout(10):
            while not any(text in said for said in app.said):
                await pilot.pause(0.01)
    except TimeoutError:
        raise AssertionError(f"no {text!r} in {app.said}") from None
    while text not in app.said.pop(0):
        pass


def shown(app: App[Any]) -> str:
    """The frame, with what differs from run to run made the same."""
    text = re.sub(r"\d\d:\d\d:\d\d", "12:34:56", steady(app))
    text = re.sub(r"(↓|now|peak) \d+/s", r"\1 0/s", text)
    return re.sub(f"[{BARS}]", "▁", text)


def rows(first: int, last: int) -> Callable[[App[Any]], str]:
    """What makes of a screen its rows from `first` on, without `last`."""
    return lambda app: "\n".join(shown(app).splitlines()[first:last])


def without_dates(app: App[Any]) -> str:
    """The lines but the one that tells when the message was published."""
    return "\n".join(line for line in shown(app).splitlines() if "published 2" not in line)
