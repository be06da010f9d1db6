"""Signing in as a person does: typing, pressing keys, reading what the form says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from app.publisher.app import PublisherApp
from app.screens.app import Options
from app.subscriber.app import SubscriberApp
from broker import Broker
from clients import Publisher
from tests.app.frames import settled, until
from tests.process import free_port

MakeOptions = Callable[..., Options]


@pytest.fixture
def nowhere() -> str:
    """An address of this machine where nobody listens."""
    return f"127.0.0.1:{free_port()}"


async def account(broker: Broker, email: str) -> None:
    async with Publisher(f"127.0.0.1:{broker.port}", email, create=True):
        pass


async def test_an_account_is_made_with_the_keyboard_alone(options: MakeOptions) -> None:
    async with PublisherApp(options()).run_test(size=(100, 30)) as pilot:
        await until(pilot, "E-mail")
        await pilot.press(*"ada@example.com", "shift+tab", "right", "tab", "enter")
        shown = await until(pilot, "live")
        assert "ada@example.com" in shown


async def test_the_name_is_remembered(broker: Broker, options: MakeOptions) -> None:
    await account(broker, "ada@example.com")
    async with PublisherApp(options()).run_test(size=(100, 30)) as pilot:
        await until(pilot, "E-mail")
        await pilot.press(*"ada@example.com", "enter")
        await until(pilot, "live")
    async with PublisherApp(options()).run_test(size=(100, 30)) as pilot:
        await until(pilot, "ada@example.com")
        await pilot.press("enter")
        await until(pilot, "live")


async def test_a_name_on_the_command_line_signs_in_at_once(
    broker: Broker, options: MakeOptions
) -> None:
    await account(broker, "ada@example.com")
    async with PublisherApp(options("ada@example.com")).run_test() as pilot:
        await until(pilot, "live")


@pytest.mark.parametrize(
    ("typed", "keys", "told"),
    [
        ("nobody@example.com", (), "has no account yet; choose Create account"),
        ("nobody", (), "is not an e-mail address"),
        ("", (), "is not an e-mail address"),
        ("[/x]@[bold]", (), "[/x]@[bold] has no account yet"),
        ("there@example.com", ("shift+tab", "right", "tab"), "has an account already"),
    ],
)
async def test_a_refusal_stands_under_its_field(
    broker: Broker, options: MakeOptions, typed: str, keys: tuple[str, ...], told: str
) -> None:
    await account(broker, "there@example.com")
    async with SubscriberApp(options()).run_test(size=(100, 30)) as pilot:
        await until(pilot, "E-mail")
        await pilot.press(*typed, *keys, "enter")
        shown = await until(pilot, told)
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "email"
        if typed:
            assert typed in shown  # it stays to be corrected


async def test_an_account_of_the_other_role_is_told_so(
    broker: Broker, options: MakeOptions
) -> None:
    await account(broker, "pub@example.com")
    async with SubscriberApp(options("pub@example.com")).run_test(size=(100, 30)) as pilot:
        await until(pilot, "is a publisher, and this")


async def test_where_no_broker_is_one_can_be_started(
    nowhere: str, options: MakeOptions, tmp_path: Path
) -> None:
    async with PublisherApp(options(connect=nowhere)).run_test(size=(100, 30)) as pilot:
        await until(pilot, "E-mail")
        await pilot.press("shift+tab", "right", "tab", *"ada@example.com", "enter")
        await until(pilot, "no broker answered")
        await pilot.press("ctrl+n")
        await until(pilot, "● live")
        assert (tmp_path / "broker data").is_dir()
    assert not (tmp_path / "broker data" / "postmaster.pid").exists()  # it was stopped


async def test_a_wrong_server_is_told_under_its_field(options: MakeOptions) -> None:
    async with PublisherApp(options("a@b.c", connect="host:nothing")).run_test() as pilot:
        await until(pilot, "is not an address")


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (60, 16)])
async def test_the_form_at_each_size(
    options: MakeOptions, frames: SnapshotAssertion, size: tuple[int, int]
) -> None:
    async with SubscriberApp(options(connect="127.0.0.1:1")).run_test(size=size) as pilot:
        await until(pilot, "E-mail")
        assert await settled(pilot, frames(name="empty")) == frames
        await pilot.press(*"ada@example.com", "enter")
        await until(pilot, "Connection refused")
        assert await settled(pilot, frames(name="no broker")) == frames


async def test_a_terminal_that_is_too_small_says_so_and_goes_on_when_it_grows(
    broker: Broker, options: MakeOptions
) -> None:
    await account(broker, "ada@example.com")
    async with PublisherApp(options("ada@example.com")).run_test(size=(100, 30)) as pilot:
        await until(pilot, "live")
        await pilot.resize_terminal(50, 12)
        await until(pilot, "needs 60x16, now 50x12")
        await pilot.resize_terminal(80, 24)
        await until(pilot, "Topics")


async def test_help_lists_the_keys_finds_one_and_runs_it(
    broker: Broker, options: MakeOptions
) -> None:
    await account(broker, "ada@example.com")
    async with PublisherApp(options("ada@example.com")).run_test(size=(100, 30)) as pilot:
        await until(pilot, "live")
        await pilot.press("question_mark")
        await until(pilot, "type to search")
        await pilot.press(*"filter")
        await pilot.press("enter")
        await until(pilot, "filter topics")
