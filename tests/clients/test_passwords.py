"""Passwords in the client library."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from broker import Auth, Broker, Settings
from clients import (
    AccountNotFound,
    Observer,
    PasswordNeeded,
    Phase,
    Publisher,
    RequestRefused,
    Subscriber,
    WrongPassword,
)
from clients.backoff import Backoff
from tests.doubles.fake_broker import FakeBroker
from tests.doubles.memory_store import MemoryStore
from tests.wire import until

RIGHT, OTHER = "correct horse", "battery staple"
AT_ONCE = Backoff(first_s=0.01, longest_s=0.05)


@pytest.fixture
async def strict() -> AsyncIterator[Broker]:
    settings = Settings(store_url="memory", port=0, auth=Auth.PASSWORD, stop_wait_s=0.05)
    async with Broker(settings, MemoryStore()) as running:
        yield running


def at(broker: Broker | FakeBroker) -> str:
    return f"127.0.0.1:{broker.port}"


def publisher(broker: Broker | FakeBroker, password: str | None = None, **keys: Any) -> Publisher:
    return Publisher(at(broker), "p@b.c", password=password, backoff=AT_ONCE, **keys)


async def opens(client: Publisher) -> None:
    async with client:
        pass


async def test_an_account_is_made_with_a_password_and_signed_in_to_with_it(
    strict: Broker,
) -> None:
    await opens(publisher(strict, RIGHT, create=True))
    await opens(publisher(strict, RIGHT, create=True))
    await opens(publisher(strict, RIGHT))
    async with Observer(at(strict), "p@b.c", password=RIGHT) as observer:
        assert observer.user_type == "publisher"


async def test_each_refusal_has_its_exception(strict: Broker) -> None:
    with pytest.raises(WrongPassword):
        await opens(publisher(strict, RIGHT))  # there is no such account, which is not told
    for create in (True, False, "new"):
        with pytest.raises(PasswordNeeded):
            await opens(publisher(strict, create=create))
    await opens(publisher(strict, RIGHT, create=True))
    for create in (True, False):
        with pytest.raises(WrongPassword):
            await opens(publisher(strict, OTHER, create=create))
    with pytest.raises(RequestRefused) as refused:
        await opens(publisher(strict, RIGHT, create="new"))
    assert refused.value.reason == "account_exists"
    with pytest.raises(RequestRefused) as refused:
        await opens(Publisher(at(strict), "q@b.c", password="short", create=True))
    assert refused.value.reason == "bad_password"


async def test_an_account_that_must_be_new_is_not_signed_in_to(broker: Broker) -> None:
    with pytest.raises(AccountNotFound):
        await opens(publisher(broker))
    await opens(publisher(broker, create="new"))
    with pytest.raises(RequestRefused, match="has an account already"):
        await opens(publisher(broker, create="new"))
    await opens(publisher(broker))


async def test_a_client_signs_in_with_its_password_again_and_again() -> None:
    store, port = MemoryStore(), 0
    client: Publisher | None = None
    for _ in range(2):
        settings = Settings(store_url="memory", port=port, auth=Auth.PASSWORD, stop_wait_s=0.05)
        async with Broker(settings, store) as broker:
            port = broker.port
            if client is None:
                client = publisher(broker, RIGHT, create=True)
                await client.open()
                await client.create_topic("T")
            client.retry_now()
            await client.publish("T", "hello")
    assert client is not None
    await client.close()


async def test_a_password_is_changed_and_the_session_goes_on(strict: Broker) -> None:
    async with publisher(strict, RIGHT, create=True) as client:
        await client.change_password(OTHER)
        await client.create_topic("T")
        with pytest.raises(WrongPassword):
            await opens(publisher(strict, RIGHT))
        await client.change_password(RIGHT)
        with pytest.raises(RequestRefused) as refused:
            await client.change_password("short")
        assert refused.value.reason == "bad_password"
        await client.publish("T", "still here")
    await opens(publisher(strict, RIGHT))


async def test_a_session_whose_password_was_changed_elsewhere_ends_and_says_why(
    strict: Broker,
) -> None:
    async with publisher(strict, RIGHT, create=True) as client:
        other = Observer(at(strict), "p@b.c", password=RIGHT, backoff=AT_ONCE)
        await other.open()
        await client.change_password(OTHER)
        await until(lambda: other.state.phase is Phase.REFUSED)
        assert "the password of this account was changed" in other.state.why
        assert "sign in with the new one" in other.state.why
        await other.close()


async def test_a_session_whose_account_gets_its_first_password_elsewhere_says_so(
    broker: Broker,
) -> None:
    async with publisher(broker, create=True) as client:
        other = Observer(at(broker), "p@b.c", backoff=AT_ONCE)
        await other.open()
        await client.change_password(RIGHT)
        await until(lambda: other.state.phase is Phase.REFUSED)
        assert "the password of this account was changed" in other.state.why
        await other.close()


async def test_a_change_whose_answer_is_lost_was_made_once(fake: FakeBroker) -> None:
    import asyncio

    client = publisher(fake, RIGHT)
    opening = asyncio.ensure_future(client.open())
    peer = await fake.signed_in()
    await opening
    changing = asyncio.ensure_future(client.change_password(OTHER))
    change = await peer.read()
    assert (change["old_password"], change["password"]) == (RIGHT, OTHER)
    peer.cut()

    peer = await fake.accept()
    old = await peer.read()
    assert old["password"] == RIGHT
    peer.refuse(old, "wrong_password")
    assert (await peer.sign_in())["password"] == OTHER
    again = await peer.read()
    assert again["action"] == "change_password"
    peer.refuse(again, "wrong_password")
    await changing
    peer.cut()
    peer = await fake.accept()
    assert (await peer.sign_in())["password"] == OTHER
    await client.close()


async def test_a_subscriber_gets_its_messages_behind_a_password(strict: Broker) -> None:
    async with publisher(strict, RIGHT, create=True) as shop:
        await shop.create_topic("T")
        async with Subscriber(at(strict), "s@b.c", password=OTHER, create=True) as reader:
            await reader.subscribe("T")
            await shop.publish("T", "hello")
            assert (await anext(reader)).text == "hello"


async def test_no_password_is_in_what_a_client_shows(strict: Broker) -> None:
    client = publisher(strict, RIGHT)
    with pytest.raises(WrongPassword) as refused:
        await client.open()
    assert RIGHT not in f"{client!r} {client} {refused.value!r} {client.state}"
