"""What the form for signing in looks like in each of its states, at each size."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Tabs

from app.access import Access
from app.publisher.app import PublisherApp
from app.screens.app import Options
from app.screens.own_broker import CannotStart, OwnBroker
from app.screens.session import Session
from app.screens.sign_in import CREATE, SIGN_IN
from app.subscriber.app import SubscriberApp
from broker import Broker
from clients import Publisher, RequestRefused
from clients.reasons import Reason
from tests.app.frames import SIZES, Looks, until

MakeOptions = Callable[..., Options]

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("size", SIZES, ids=str)]


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """An address where somebody listens and never says anything."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def fill(pilot: Pilot[Any], tab: str = SIGN_IN, **fields: str) -> None:
    """Have the tab and the values, and send the form from the last field."""
    pilot.app.screen.query_one(Tabs).active = tab
    for name, value in fields.items():
        box = pilot.app.screen.query_one(f"#{name}", Input)
        box.value = value
        box.focus()
        await pilot.pause()
    await pilot.press("enter")


async def test_each_refusal_at_each_size(
    broker: Broker, options: MakeOptions, looks: Looks, size: tuple[int, int]
) -> None:
    async with Publisher(f"127.0.0.1:{broker.port}", "bob@example.com", create=True):
        pass
    async with SubscriberApp(options()).run_test(size=size) as pilot:
        await until(pilot, "E-mail")
        await fill(pilot, email="nobody")
        await looks(pilot, "no address")
        await fill(pilot, email="nobody@example.com")
        await looks(pilot, "no account")
        await fill(pilot, CREATE, email="bob@example.com")
        await looks(pilot, "an account already")
        await fill(pilot, email="bob@example.com")
        await looks(pilot, "the other role")
        await fill(pilot, server="host:nothing")
        await looks(pilot, "no server")
        await pilot.press("f1")
        await looks(pilot, "help")


async def test_passwords_at_each_size(
    strict: Broker,
    looks: Looks,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    size: tuple[int, int],
) -> None:
    address = f"127.0.0.1:{strict.port}"
    async with Publisher(address, "ada@example.com", create=True, password="correct horse"):
        pass
    options = Options(access=Access(address), config_dir=tmp_path / "config")
    async with PublisherApp(options).run_test(size=size) as pilot:
        await until(pilot, "E-mail")
        await fill(pilot, email="ada@example.com")
        await looks(pilot, "needed")
        await fill(pilot, password="battery staple")
        await looks(pilot, "wrong")
        await pilot.press(*"correct")
        await looks(pilot, "hidden")
        await pilot.press("f2")
        await looks(pilot, "shown")
        await pilot.press("f2")
        await fill(pilot, CREATE, password="short")
        await looks(pilot, "the two differ")
        await fill(pilot, CREATE, password="short", repeat="short")
        await looks(pilot, "too short")
        await fill(pilot, CREATE, password="correct horse", repeat="correct horse")
        await looks(pilot, "an account already")

        async def refuse(*_: object, **__: object) -> None:
            raise RequestRefused(Reason.TRY_LATER, "too many wrong passwords; wait 30 s")

        monkeypatch.setattr(Session, "begin", refuse)
        await fill(pilot, password="correct horse")
        await looks(pilot, "try later")


async def test_a_broker_of_ones_own_at_each_size(
    options: MakeOptions,
    looks: Looks,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    begun = asyncio.Event()

    async def start(own: OwnBroker, connect: str) -> None:
        await begun.wait()
        raise CannotStart(f"{own.data_dir} cannot be used: another broker runs on it")

    monkeypatch.setattr(OwnBroker, "start", start)
    app = PublisherApp(options(connect="127.0.0.1:1"))
    app.session.own_broker.data_dir = Path("/home/ada/.local/share/pubsub-suite")
    async with app.run_test(size=size) as pilot:
        await until(pilot, "E-mail")
        await fill(pilot, email="ada@example.com")
        await until(pilot, "Connection refused")
        await pilot.press("ctrl+n")
        await looks(pilot, "is started")
        begun.set()
        await looks(pilot, "cannot be started")


async def test_a_broker_that_is_silent_at_each_size(
    options: MakeOptions, silent: str, looks: Looks, size: tuple[int, int]
) -> None:
    async with PublisherApp(options(connect=silent)).run_test(size=size) as pilot:
        await until(pilot, "E-mail")
        await fill(pilot, email="ada@example.com")
        await looks(pilot, "signing in")
        await pilot.resize_terminal(50, 12)
        await looks(pilot, "too small")


async def test_without_colour_a_dialog_leaves_the_rest_to_be_seen_at_each_size(
    options: MakeOptions,
    looks: Looks,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with PublisherApp(options()).run_test(size=size) as pilot:
        await until(pilot, "E-mail")
        await pilot.press("f1")
        await looks(pilot, "help")
        await pilot.resize_terminal(50, 12)
        await looks(pilot, "too small")
