"""Passwords: who gets in, what strangers learn, and what it costs them to try."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from argon2 import PasswordHasher

from broker import Auth, Broker, Settings
from broker.passwords import Passwords, TooMany
from broker.throttle import FORGET_S, OF_ACCOUNTS, OF_ADDRESSES, REMEMBERED, Throttle
from protocol.names import PASSWORD_LEAST, PASSWORD_LIMIT
from protocol.requests import ChangePassword, Connect, Create
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire

SUCCESS = {"action": "success", "code": 0}
ANN, EVE = "ann@b.c", "eve@b.c"
RIGHT, OTHER = "correct horse", "battery staple"
HANG_S = 5  # at most, so that a test ends that is held up


class Site:
    """A broker on a store in memory, and connections to it."""

    def __init__(self, store: MemoryStore, broker: Broker) -> None:
        self.store, self.broker = store, broker
        self.opened: list[Wire] = []

    async def open(self, address: str = "127.0.0.1") -> Wire:
        self.opened.append(await Wire.open(self.broker.port, local_addr=(address, 0)))
        return self.opened[-1]

    async def ask(self, action: str, address: str = "127.0.0.1", **keys: Any) -> dict[str, Any]:
        """Ask on a connection of its own, in version 2."""
        wire = await self.open(address)
        reply = await wire.ask(action, version=2, **keys)
        await wire.close()
        return reply

    async def reason(self, action: str, address: str = "127.0.0.1", **keys: Any) -> str:
        """Return why it is refused, or "" where it is not."""
        return str((await self.ask(action, address, **keys)).get("reason", ""))


@asynccontextmanager
async def running(auth: Auth, store: MemoryStore | None = None) -> AsyncIterator[Site]:
    store = store or MemoryStore()
    settings = Settings(store_url="memory", port=0, auth=auth, stop_wait_s=0.05)
    async with Broker(settings, store) as broker:
        site = Site(store, broker)
        yield site
        for wire in site.opened:
            await wire.close()


@pytest.fixture
async def open_site() -> AsyncIterator[Site]:
    async with running(Auth.OPEN) as site:
        yield site


@pytest.fixture
async def closed_site() -> AsyncIterator[Site]:
    """One that asks everybody for a password."""
    async with running(Auth.PASSWORD) as site:
        yield site


def new(email: str = ANN, **keys: Any) -> dict[str, Any]:
    return {"user_email": email, "user_type": "subscriber", **keys}


# who gets in


@pytest.mark.parametrize("auth", Auth)
async def test_an_account_that_has_a_password_always_needs_it(auth: Auth) -> None:
    async with running(auth) as site:
        assert await site.reason("create", **new(password=RIGHT)) == ""
        assert await site.reason("connect", user_email=ANN) == "password_needed"
        assert await site.reason("connect", user_email=ANN, password=OTHER) == "wrong_password"
        assert await site.reason("connect", user_email=ANN, password="") == "wrong_password"
        assert await site.reason("connect", user_email=ANN.upper(), password=RIGHT) == ""


async def test_an_open_broker_lets_an_account_without_a_password_in(open_site: Site) -> None:
    assert await open_site.reason("create", **new()) == ""
    assert await open_site.reason("connect", user_email=ANN) == ""
    assert await open_site.reason("connect", user_email=ANN, password=OTHER) == ""
    assert await open_site.reason("connect", user_email=EVE) == "account_not_found"


async def test_where_passwords_are_asked_for_nobody_gets_in_without_one() -> None:
    store = MemoryStore()
    async with running(Auth.OPEN, store) as site:
        assert await site.reason("create", **new()) == ""
    async with running(Auth.PASSWORD, store) as site:
        assert await site.reason("create", **new(EVE)) == "password_needed"
        assert await site.reason("connect", user_email=ANN) == "password_needed"
        assert await site.reason("connect", user_email=ANN, password="") == "wrong_password"
        assert await site.reason("connect", user_email=ANN, password=RIGHT) == "wrong_password"
        assert await site.store.find_account(EVE) is None


@pytest.mark.parametrize("auth", Auth)
async def test_version_1_has_its_documented_keys_with_and_without_passwords(auth: Auth) -> None:
    async with running(auth) as site:
        wire = await site.open()
        assert await wire.ask("create", **new(password=RIGHT)) == SUCCESS
        assert await wire.ask("connect", user_email=ANN, password=RIGHT) == SUCCESS
        for password in ({}, {"password": OTHER}):
            reply = await wire.ask("connect", user_email=ANN, **password)
            assert reply.keys() == {"action", "message"}
            assert reply["action"] == "error"
        # The session there was goes on.
        assert (await wire.ask("list_topics"))["topics"] == []


@pytest.mark.parametrize("length", [0, PASSWORD_LEAST - 1, PASSWORD_LIMIT + 1, 100_000])
async def test_a_new_password_keeps_to_the_rule(open_site: Site, length: int) -> None:
    reply = await open_site.ask("create", **new(password="x" * length))
    assert reply["reason"] == "bad_password"
    assert str(PASSWORD_LEAST) in reply["message"]
    assert await open_site.store.find_account(ANN) is None


@pytest.mark.parametrize("password", ["x" * PASSWORD_LEAST, "é" * PASSWORD_LIMIT, "\0\n\t 🙂 ab"])
async def test_any_characters_make_a_password(open_site: Site, password: str) -> None:
    assert await open_site.reason("create", **new(password=password)) == ""
    assert await open_site.reason("connect", user_email=ANN, password=password) == ""
    assert await open_site.reason("connect", user_email=ANN, password=password[1:]) != ""


@pytest.mark.parametrize("password", [None, 7, ["x"], {}])
async def test_a_password_that_is_no_string_is_a_bad_request(
    open_site: Site, password: object
) -> None:
    reply = await open_site.ask("create", **new(password=password))
    assert reply["action"] == "error"
    assert "`password`" in reply["message"]
    assert await open_site.store.find_account(ANN) is None


async def test_a_wrong_password_takes_no_session_over(closed_site: Site) -> None:
    wire = await closed_site.open()
    assert (await wire.ask("create", version=2, **new(password=RIGHT)))["action"] == "success"
    assert await closed_site.reason("connect", user_email=ANN, password=OTHER) == "wrong_password"
    assert (await wire.ask("ping"))["action"] == "success"


# changing it


async def test_a_password_is_changed_by_who_knows_it(closed_site: Site) -> None:
    wire = await closed_site.open()
    await wire.ask("create", version=2, **new(password=RIGHT))
    for old in ({}, {"old_password": OTHER}):
        reply = await wire.ask("change_password", password=OTHER, **old)
        assert reply["reason"] == ("wrong_password" if old else "password_needed")
    short = await wire.ask("change_password", password="short", old_password=RIGHT)
    assert short["reason"] == "bad_password"
    assert await wire.ask("change_password", password=OTHER, old_password=RIGHT) == SUCCESS
    assert await closed_site.reason("connect", user_email=ANN, password=RIGHT) == "wrong_password"
    assert await closed_site.reason("connect", user_email=ANN, password=OTHER) == ""


async def test_an_account_gets_its_first_password(open_site: Site) -> None:
    wire = await open_site.open()
    await wire.ask("create", version=2, **new())
    assert await wire.ask("change_password", password=RIGHT, id=1) == SUCCESS | {"id": 1}
    assert await open_site.reason("connect", user_email=ANN) == "password_needed"
    assert await open_site.reason("connect", user_email=ANN, password=RIGHT) == ""


async def test_a_change_of_password_ends_the_other_sessions_of_the_account(
    open_site: Site,
) -> None:
    first, second, other = [await open_site.open() for _ in range(3)]
    shop = {"user_email": "shop@b.c", "version": 2}
    await first.ask("create", user_type="publisher", **shop)
    await second.ask("connect", **shop)
    await other.ask("create", version=2, **new(EVE))
    assert await first.ask("change_password", password=RIGHT) == SUCCESS
    assert (await second.read())["reason"] == "password_changed"
    assert await second.read_line() == b""
    for wire in (first, other):
        assert await wire.ask("ping") == SUCCESS


# what strangers learn


async def test_an_account_that_is_there_is_refused_as_one_that_is_not(
    closed_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await closed_site.ask("create", **new(password=RIGHT))
    costs: list[str] = []  # of each comparison, which is what takes the time
    verify = PasswordHasher.verify

    def note(self: PasswordHasher, kept: str, password: str) -> bool:
        costs.append(kept.rsplit("$", 2)[0])
        return verify(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    replies = []
    for email in (ANN, EVE):
        reply = await closed_site.ask("connect", user_email=email, password=OTHER)
        replies.append({key: str(one).replace(email, "WHO") for key, one in reply.items()})
    assert replies[0] == replies[1]
    assert replies[0]["reason"] == "wrong_password"
    assert costs == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2
    without = [await closed_site.ask("connect", user_email=email) for email in (ANN, EVE)]
    assert {one["reason"] for one in without} == {"password_needed"}


async def test_what_nobody_has_is_compared_with_something_as_costly() -> None:
    passwords = Passwords(1)
    await passwords.prepare()
    assert passwords._nobodys is not None
    async with passwords.turn():
        own = await passwords.hash(RIGHT)
        assert not await passwords.matches(None, RIGHT)
        assert await passwords.matches(own, RIGHT)
    assert own.rsplit("$", 2)[0] == passwords._nobodys.rsplit("$", 2)[0]
    assert own.startswith("$argon2id$")
    passwords.close()


async def test_no_secret_is_in_the_log_or_in_what_is_shown_of_a_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(Auth.PASSWORD) as site:
        await site.ask("create", **new(password=RIGHT))
        replies = [
            await site.ask("connect", user_email=ANN, password=OTHER),
            await site.ask("connect", user_email=ANN, password=RIGHT, version_=7),
            await site.ask("connect", user_email=7, password=RIGHT),
        ]
        credentials = await site.store.credentials(ANN)
    requests = [
        Create(user_email=ANN, user_type="subscriber", password=RIGHT),
        Connect(user_email=ANN, password=RIGHT),
        ChangePassword(password=RIGHT, old_password=RIGHT),
    ]
    shown = f"{caplog.text} {replies} {requests} {credentials}"
    shown += str([request.__rich_repr__() for request in requests])
    assert RIGHT not in shown
    assert OTHER not in shown
    assert "argon2id" not in shown
    assert "***" in shown
    assert ANN in shown


# what it costs to try


async def test_guessing_is_slowed_for_the_account_and_not_for_its_owner(
    closed_site: Site,
) -> None:
    await closed_site.ask("create", **new(password=RIGHT))
    assert await closed_site.reason("connect", user_email=ANN, password=RIGHT) == ""
    for _ in range(OF_ACCOUNTS.free):
        reason = await closed_site.reason("connect", "127.0.0.2", user_email=ANN, password=OTHER)
        assert reason == "wrong_password"
    slowed = await closed_site.ask("connect", "127.0.0.2", user_email=ANN, password=RIGHT)
    assert slowed["reason"] == "try_later"
    assert "try again in 1 s" in slowed["message"]
    elsewhere = await closed_site.reason("connect", "127.0.0.3", user_email=ANN, password=RIGHT)
    assert elsewhere == "try_later"
    assert await closed_site.reason("connect", user_email=ANN, password=RIGHT) == ""


async def test_guessing_many_accounts_is_slowed_for_the_address(closed_site: Site) -> None:
    await closed_site.ask("create", **new(password=RIGHT))
    for number in range(OF_ADDRESSES.free):
        email = f"somebody-{number}@b.c"
        keys = {"user_email": email, "password": OTHER}
        assert await closed_site.reason("connect", "127.0.0.2", **keys) == "wrong_password"
    keys = {"user_email": ANN, "password": RIGHT}
    assert await closed_site.reason("connect", "127.0.0.2", **keys) == "try_later"
    assert await closed_site.reason("connect", **keys) == ""


async def test_guesses_sent_all_at_once_are_slowed_as_well(closed_site: Site) -> None:
    await closed_site.ask("create", **new(password=RIGHT))
    many = 40
    tries = [closed_site.ask("connect", user_email=ANN, password=OTHER) for _ in range(many)]
    reasons = [reply["reason"] for reply in await asyncio.gather(*tries)]
    threads = closed_site.broker.settings.password_threads
    assert reasons.count("wrong_password") <= OF_ACCOUNTS.free + threads
    assert reasons.count("try_later") >= many - OF_ACCOUNTS.free - threads


async def test_passwords_are_checked_a_few_at_a_time_and_the_loop_goes_on(
    closed_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    begun, go_on = threading.Semaphore(0), threading.Event()

    def wait(self: Passwords, password_hash: str | None, password: str) -> bool:
        begun.release()
        return go_on.wait(HANG_S) and False

    monkeypatch.setattr(Passwords, "_matches", wait)
    shop = await closed_site.open()
    await shop.ask("create", user_email="shop@b.c", user_type="publisher", password=RIGHT)
    tries = [
        asyncio.ensure_future(
            closed_site.ask("connect", user_email=f"{number}@b.c", password=OTHER)
        )
        for number in range(8)
    ]
    await asyncio.to_thread(begun.acquire)
    await asyncio.to_thread(begun.acquire)
    assert (await shop.ask("list_topics"))["topics"] == []
    assert not begun.acquire(blocking=False)  # the others wait for their turn
    go_on.set()
    assert {reply["reason"] for reply in await asyncio.gather(*tries)} == {"wrong_password"}


async def test_a_queue_that_is_full_sends_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.passwords.WAITING_LIMIT", 0)
    passwords = Passwords(1)
    with pytest.raises(TooMany):
        async with passwords.turn():
            pass
    async with running(Auth.OPEN) as site:
        assert await site.reason("create", **new(password=RIGHT)) == "try_later"
        assert await site.reason("create", **new()) == ""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_delay_doubles_up_to_its_bound_and_is_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(OF_ACCOUNTS.free + 8):
        throttle.failed(ANN, "a")
        waits.append(throttle.wait_s(ANN, "b"))
    few = OF_ACCOUNTS.free - 1
    assert waits[:few] == [0.0] * few
    assert waits[few:] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    clock.now = 59.0
    assert throttle.wait_s(ANN, "b") == 1.0
    clock.now = 60.0
    assert throttle.wait_s(ANN, "b") == 0.0
    throttle.failed(ANN, "a")
    assert throttle.wait_s(ANN, "b") == 60.0
    clock.now += FORGET_S + 1
    throttle.failed(ANN, "a")
    assert throttle.wait_s(ANN, "b") == 0.0


def test_a_success_forgets_the_account_and_not_the_address() -> None:
    throttle = Throttle(Clock())
    for _ in range(OF_ADDRESSES.free):
        throttle.failed(ANN, "a")
    throttle.succeeded(ANN, "b")
    assert throttle.wait_s(ANN, "c") == 0.0
    assert throttle.wait_s(EVE, "a") == 1.0
    assert throttle.wait_s(ANN, "a") == 1.0


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    throttle = Throttle(Clock())
    for number in range(REMEMBERED + 100):
        throttle.failed(f"{number}@b.c", f"{number}")
        throttle.succeeded(f"{number}@b.c", f"{number}")
        throttle.failed(f"{number}@b.c", f"{number}")
    assert len(throttle._accounts._failed) == REMEMBERED
    assert len(throttle._addresses._failed) == REMEMBERED
    assert len(throttle._welcome) == REMEMBERED


def test_the_password_of_the_store_is_not_in_what_the_settings_show() -> None:
    settings = Settings(store_url="postgresql://u:secret@127.0.0.1/x")
    assert "secret" not in f"{settings} {settings!r}"
