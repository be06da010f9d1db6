"""The subscriber's screen as a person uses it: pressing keys, reading what it says."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from app.screens.help import keys_of
from clients import Publisher, RequestRefused, Subscriber
from tests.app.frames import frame, gone, settled, until, words
from tests.app.subscriber.desk import Open, rows, subscribed, told, unread, without_dates


def copied(pilot: Pilot[None]) -> str:
    """What the terminal was given for its clipboard."""
    return pilot.app.clipboard


def client_of(pilot: Pilot[None]) -> Any:
    return pilot.app.session.client  # type: ignore[attr-defined]  # it is ours


# subscribing


async def test_an_account_without_subscriptions_is_told_what_to_press_and_subscribes(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address)
    await bob.publish("orders.eu", "before")
    async with screen() as pilot:
        await until(pilot, "Not subscribed to anything. Choose a topic, press s.")
        await pilot.press("s")
        await told(pilot, "choose a topic in the list first")
        await pilot.press("down", "down", "s")
        await told(pilot, "subscribed to orders.eu")
        await until(pilot, "Waiting for the first message on orders.eu.")
        await until(pilot, "1 of 2 subscribed")
        await bob.publish("orders.eu", "afterwards")
        await until(pilot, "afterwards")
        assert "before" not in frame(pilot.app)


async def test_a_topic_can_be_subscribed_to_from_its_first_message_on(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address)
    await bob.publish_many("audit", ["first", "second"])
    async with screen() as pilot:
        await until(pilot, "Not subscribed")
        await pilot.press("down", "S")
        await until(pilot, "audit: 2 stored messages")
        await until(pilot, "second")
        await pilot.press("S")
        await told(pilot, "is subscribed to already")
        await pilot.press("A")
        await until(pilot, "unread 0")
        await pilot.press("s")  # and back, and from the first one again
        await told(pilot, "unsubscribed from audit")
        await pilot.press("S")
        await until(pilot, "unread 2")
        await pilot.press("A")
        await until(pilot, "unread 0")
    assert await unread(address, "audit") == 0


@pytest.mark.usefixtures("never_seen")
async def test_ending_a_subscription_asks_where_something_is_unread(
    address: str, bob: Publisher, screen: Open, frames: SnapshotAssertion
) -> None:
    await subscribed(address, "orders.eu")
    await bob.publish("orders.eu", "1")
    async with screen() as pilot:
        await until(pilot, "unread 1")
        await pilot.press("1", "down", "down", "s")
        await until(pilot, "1 unread message: for this account")
        await until(pilot, "Esc does not")
        assert await settled(pilot, frames, rows(10, 18)) == frames
        await pilot.press("escape")
        await gone(pilot, "Unsubscribe?")
        assert await bob.confirmations("orders.eu", 1) is not None
        await pilot.press("s")
        await until(pilot, "Unsubscribe?")
        await pilot.press("enter")
        await told(pilot, "unsubscribed from orders.eu")
        await until(pilot, "unread 0")
        await until(pilot, "○ orders.eu")


async def test_a_subscription_is_shown_at_once_and_taken_back_where_it_is_refused(
    address: str, bob: Publisher, screen: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribed(address)
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(Subscriber, "subscribe", lambda *_: answer)
    async with screen() as pilot:
        await until(pilot, "○ audit")
        await pilot.press("down", "s")
        await until(pilot, "● audit")
        await pilot.press("s")
        await told(pilot, "has not answered about audit yet")
        answer.set_exception(RequestRefused("store_unavailable", "the store [/x] is away"))
        await told(pilot, "audit: the store [/x] is away")
        await until(pilot, "○ audit")


async def test_a_muted_topic_counts_in_no_sum_the_next_time_too(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu", "audit")
    async with screen() as pilot:
        await until(pilot, "2 of 2 subscribed")
        await pilot.press("1", "down", "m")
        await told(pilot, "audit is muted")
    await bob.publish("audit", "muted")
    await bob.publish("orders.eu", "loud")
    async with screen() as pilot:
        await pilot.press("1")
        await until(pilot, "(1)")
        await until(pilot, "unread 1")
        await pilot.press("down", "m")
        await until(pilot, "unread 2")


async def in_order(pilot: Pilot[None], first: str, second: str) -> None:
    """Wait until `first` is shown before `second`."""
    async with asyncio.timeout(10):
        while not 0 <= words(pilot.app).find(first) < words(pilot.app).find(second):
            await pilot.pause(0.01)


@pytest.mark.usefixtures("never_seen")
async def test_topics_with_something_unread_can_come_first_and_counts_end_at_999(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu", "audit")
    await bob.publish_many("orders.eu", [str(number) for number in range(1000)])
    async with screen() as pilot:
        await until(pilot, "999+")
        await pilot.press("1")
        await in_order(pilot, "● audit", "● orders.eu")
        await pilot.press("u")
        await in_order(pilot, "● orders.eu", "● audit")


async def test_a_topic_that_is_made_meanwhile_appears(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address)
    async with screen() as pilot:
        await until(pilot, "2 topics")
        await bob.create_topic("new [bold]one[/x]")
        await until(pilot, "new [bold]one[/x]")
        await pilot.press("1", "down", "down", "s")
        await told(pilot, "subscribed to new [bold]one[/x]")
        await until(pilot, "Waiting for the first message on new [bold]one[/x].")


# the messages


async def test_a_message_can_be_seen_in_full_with_its_neighbours(
    address: str, bob: Publisher, screen: Open, frames: SnapshotAssertion
) -> None:
    await subscribed(address, "orders.eu", read=False)
    await bob.publish_many("orders.eu", ["one", '{"order":8,"paid":true}', "three"])
    async with screen() as pilot:
        await until(pilot, "unread 0")
        await pilot.press("up", "up", "enter")  # the live divider is in between
        await until(pilot, '"paid": true')
        await until(pilot, "HELD")
        assert await settled(pilot, frames, without_dates) == frames
        await pilot.press("x")
        await until(pilot, '{"order":8,"paid":true}')
        await pilot.press("n")
        await until(pilot, "orders.eu 3")
        await pilot.press("p", "p")
        await until(pilot, "orders.eu 1")
        await bob.publish("orders.eu", "while reading")
        await until(pilot, "orders.eu 1")  # it stays
        await pilot.press("escape")
        await gone(pilot, "n next")


async def test_copying_gives_the_text_or_the_record_and_says_where_it_went(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await until(pilot, "Waiting")
        await pilot.press("y")
        await told(pilot, "there is no message under the cursor to copy")
        await bob.publish("orders.eu", "a\x1b[31m\u202e [/x]")
        await until(pilot, "row 1 of 1")
        await pilot.press("y")
        await told(pilot, "the text sent to the terminal's clipboard, if it has one")
        assert copied(pilot) == "a\x1b[31m\u202e [/x]"
        await pilot.press("Y")
        await told(pilot, "the message as JSON sent")
        record = json.loads(copied(pilot))
        assert (record["seq"], record["message"]) == (1, "a\x1b[31m\u202e [/x]")


async def test_an_export_writes_what_the_filter_lets_through(
    address: str, bob: Publisher, screen: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await subscribed(address, "orders.eu", read=False)
    await bob.publish_many("orders.eu", ["paid 1", "new 2", "paid 3"])
    async with screen() as pilot:
        await until(pilot, "row 3 of 3")
        await pilot.press("slash", *"paid", "enter")
        await until(pilot, "row 2 of 2")
        await pilot.press("ctrl+e")
        await until(pilot, "Export 2 messages")
        await pilot.press("ctrl+u", *"no/x", "enter")
        await until(pilot, "it cannot be written: No such file or directory")
        await pilot.press("ctrl+u", "x", "enter")
        await told(pilot, "2 messages written to")
    texts = [json.loads(line)["message"] for line in Path("x").read_text().splitlines()]
    assert texts == ["paid 1", "paid 3"]


async def test_an_export_of_one_message_asks_before_it_replaces_a_file(
    address: str, bob: Publisher, screen: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("messages.jsonl")
    file.write_text("precious")
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await pilot.press("ctrl+e")
        await told(pilot, "there is no message here to export")
        await bob.publish_many("orders.eu", ["one", "two"])
        await until(pilot, "row 2 of 2")
        await pilot.press("enter", "ctrl+e")
        await until(pilot, "Export 1 message")
        await pilot.press("enter")
        await until(pilot, "it is there already; Enter replaces it")
        assert file.read_text() == "precious"
        await pilot.press("enter")
        await told(pilot, "1 message written to")
    assert json.loads(file.read_text())["message"] == "two"


async def test_holding_counts_what_comes_and_the_status_bar_says_so(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await bob.publish("orders.eu", "one")
        await until(pilot, "row 1 of 1")
        await pilot.press("space")
        await until(pilot, "HELD")
        await bob.publish_many("orders.eu", ["two", "three"])
        await until(pilot, "↓ 2 new, G newest")
        await pilot.press("G")
        await gone(pilot, "HELD")


async def test_times_are_local_or_utc_and_the_choice_is_kept(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address)
    async with screen() as pilot:
        await pilot.press("t")
        await until(pilot, "All subscribed UTC")
    async with screen() as pilot:
        await until(pilot, "All subscribed UTC")
        await pilot.press("t")
        await gone(pilot, "UTC")


async def test_hostile_text_is_shown_and_drives_nothing(
    address: str, bob: Publisher, screen: Open
) -> None:
    await bob.create_topic("[/x][bold]漢字e\u0301")
    await subscribed(address, "[/x][bold]漢字e\u0301")
    hostile = "[/x] [bold]b\x1b[2J\x00\u202etxt\n漢字"
    async with screen() as pilot:
        await bob.publish("[/x][bold]漢字e\u0301", hostile)
        await until(pilot, "[/x] [bold]b")
        await pilot.press("enter")
        text = await until(pilot, "n next")
        assert "[/x][bold]漢字" in text
        await pilot.press("escape", "1", "down", "down", "down", "down", "s")
        text += await until(pilot, "[/x]")
        await pilot.press("colon", *"go to [")
        text += await until(pilot, "Go to [/x][bold]")
        assert not set(text) & {"\x1b", "\x00", "\u202e"}


# panes, palette


async def test_where_there_is_room_for_one_pane_tab_goes_to_the_other(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    async with screen((60, 16)) as pilot:
        await until(pilot, "Waiting for the first message.")
        await pilot.press("tab")
        await until(pilot, "● orders.eu")
        await pilot.press("down", "down", "enter")
        await until(pilot, "Waiting for the first message on orders.eu.")
        await pilot.press("shift+tab")
        await until(pilot, "○ audit")


async def test_the_numbers_go_to_the_panes(address: str, bob: Publisher, screen: Open) -> None:
    await subscribed(address, "orders.eu", read=False)
    await bob.publish("orders.eu", "one")
    async with screen() as pilot:
        await until(pilot, "row 1 of 1")
        await pilot.press("up", "3")
        await until(pilot, "n next")
        await pilot.press("tab", "tab", "2", "1")
        await until(pilot, "1 of 2 subscribed")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "topic-options"


async def test_the_palette_goes_to_a_topic(address: str, bob: Publisher, screen: Open) -> None:
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await until(pilot, "1 of 2 subscribed")
        await pilot.press("colon", *"go aud")
        await until(pilot, "Go to audit")
        await pilot.press("down", "enter")
        await until(pilot, "Not subscribed. s: what comes, S: all there is.")


async def test_the_palette_has_what_has_no_key(address: str, bob: Publisher, screen: Open) -> None:
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await until(pilot, "rate, last 60 s")
        await pilot.press("colon", *"rate")
        await until(pilot, "Rate row on/off")
        await pilot.press("down", "enter")
        await gone(pilot, "rate, last 60 s")
        await pilot.press("colon", *"mand")
        await until(pilot, "Copy the command line")
        await pilot.press("down", "enter")
        await told(pilot, "the command line sent")
        email = "--email ada@example.com"
        assert copied(pilot) == f"pubsub sub orders.eu --connect {address} {email}"


async def test_signing_out_leaves_what_can_be_read(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address)
    async with screen() as pilot:
        await until(pilot, "2 topics")
        await pilot.press("colon", *"sign")
        await until(pilot, "End the session")
        await pilot.press("down", "enter")
        await until(pilot, "Create account")
        await pilot.press("escape")
        await until(pilot, "Ctrl+T signs in again")
        await pilot.press("A")
        await told(pilot, "the session has ended; Ctrl+T signs in again")


async def test_every_key_of_the_footer_and_of_the_help_is_shown(
    address: str, bob: Publisher, screen: Open
) -> None:
    await subscribed(address, "orders.eu")
    async with screen() as pilot:
        await until(pilot, "space Pause / Filter ⏎ Detail s Subscribe y Copy ? Help")
        keys = {key.text for key in keys_of(pilot.app.screen)}
        assert keys >= {"Mark all read", "Export to a file", "Oldest unread", "Times local/UTC"}
        await pilot.press("question_mark")
        await until(pilot, "type to search")
        await pilot.press(*"mark all")
        await pilot.press("enter")
        await told(pilot, "0 messages marked as read")
