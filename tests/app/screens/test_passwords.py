"""Passwords on the sign-in screen: asked for when the broker does, and shown to nobody."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.access import Access
from app.publisher.app import PublisherApp
from app.screens.app import Options
from app.screens.password_fields import strength
from broker import Broker
from clients import Publisher
from tests.app.frames import frame, until

RIGHT, OTHER = "correct horse", "battery staple"
CREATE = ("shift+tab", "right", "tab")  # from the e-mail to the other tab and back


@pytest.fixture
def options(strict: Broker, tmp_path: Path) -> Callable[..., Options]:
    def make(email: str | None = None, password: str | None = None) -> Options:
        access = Access(f"127.0.0.1:{strict.port}", email, password=password)
        return Options(access=access, config_dir=tmp_path / "config")

    return make


async def account(strict: Broker) -> None:
    where = f"127.0.0.1:{strict.port}"
    async with Publisher(where, "ada@example.com", create=True, password=RIGHT):
        pass


async def test_a_password_is_asked_for_when_the_broker_asks(
    strict: Broker, options: Callable[..., Options], tmp_path: Path
) -> None:
    await account(strict)
    async with PublisherApp(options()).run_test(size=(100, 30)) as pilot:
        assert "Password" not in await until(pilot, "E-mail")
        await pilot.press(*"ada@example.com", "enter")
        shown = await until(pilot, "a password is needed here")
        assert "Repeat" not in shown
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "password"

        await pilot.press(*OTHER, "enter")
        shown = await until(pilot, "the e-mail or the password is wrong")
        assert OTHER not in shown
        assert "•" not in shown  # it does not stay
        assert "ada@example.com" in shown
        assert pilot.app.focused.id == "password"

        await pilot.press(*RIGHT)
        assert RIGHT not in frame(pilot.app)
        shown = await until(pilot, "•" * len(RIGHT))
        assert "is wrong" not in shown  # that was another one
        await pilot.press("f2")
        await until(pilot, RIGHT)
        await pilot.press("f2", "enter")
        assert RIGHT not in await until(pilot, "live")
    kept = "".join(one.read_text() for one in (tmp_path / "config").rglob("*") if one.is_file())
    assert "ada@example.com" in kept
    assert RIGHT not in kept


async def test_an_account_is_made_with_a_password_typed_twice(
    strict: Broker, options: Callable[..., Options]
) -> None:
    async with PublisherApp(options()).run_test(size=(100, 30)) as pilot:
        await until(pilot, "E-mail")
        await pilot.press(*"ada@example.com", *CREATE, "enter")
        await until(pilot, "a password is needed here")
        await until(pilot, "Repeat")
        await pilot.press(*"short")
        await until(pilot, "too short, 8 characters at least")
        await pilot.press("enter")
        await until(pilot, "the two differ")
        await pilot.press("shift+tab", *(["backspace"] * 5), *RIGHT, "tab", *RIGHT, "enter")
        await until(pilot, "live")


async def test_an_account_that_is_there_is_not_made_again(
    strict: Broker, options: Callable[..., Options]
) -> None:
    await account(strict)
    async with PublisherApp(options()).run_test(size=(100, 30)) as pilot:
        await until(pilot, "E-mail")
        await pilot.press(*"ada@example.com", *CREATE, "enter")
        await until(pilot, "Repeat")
        await pilot.press(*OTHER, "tab", *OTHER, "enter")
        await until(pilot, "has an account already; choose Sign in")


async def test_a_password_of_the_environment_is_used_before_anybody_is_asked(
    strict: Broker, options: Callable[..., Options]
) -> None:
    await account(strict)
    started = options("ada@example.com", RIGHT)
    async with PublisherApp(started).run_test(size=(100, 30)) as pilot:
        await until(pilot, "live")
    assert RIGHT not in repr(started)


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("aaaaaaa", "too short, 8 characters at least"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "weak"),
        ("password", "weak"),
        ("Tr0ub4dor&3", "good"),
        ("correct horse battery staple", "strong"),
    ],
)
def test_a_word_on_how_strong_a_password_is(password: str, word: str) -> None:
    assert strength(password) == word
