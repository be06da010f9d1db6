"""The publisher's screen as a person uses it: topics, a message, what became of it."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.app import App
from textual.events import Paste
from textual.pilot import Pilot

from app.publisher.composer import Composer
from app.publisher.message_area import LONGEST_LINE, MessageArea
from app.publisher.screen import PublisherScreen
from app.publisher.sent import Row, SentList
from broker import Broker
from clients import Publisher, Subscriber
from tests.app.frames import frame, gone, settled, until
from tests.app.publisher.conftest import Opened, StandingClock
from tests.doubles.relay import Relay

SIZES = [(100, 30), (80, 24), (60, 16)]
HOSTILE = "[/x] [bold]\x1b[31m\x00\u202e 漢e\u0301"


def message(pilot: Pilot[Any]) -> str:
    return pilot.app.screen.query_one(MessageArea).text


async def typed(pilot: Pilot[Any], text: str) -> None:
    """Paste `text`, which is quicker than a key after the other."""
    pilot.app.screen.query_one(MessageArea).insert(text)
    await pilot.pause()


async def confirmed(subscriber: Subscriber) -> None:
    """Take one message and confirm it."""
    async for one in subscriber:
        subscriber.confirm(one.topic, one.seq)
        return


async def stored(broker: Broker, topic: str) -> list[str]:
    async with Publisher(f"127.0.0.1:{broker.port}", "reader@example.com", create=True) as reader:
        return [one.text for one in await reader.history(topic, after=0)]


# sending


async def test_a_message_is_typed_sent_and_stored_by_each_of_the_keys(
    opened: Opened, broker: Broker
) -> None:
    async with opened("orders") as pilot:
        for number, key in enumerate(("ctrl+s", "ctrl+j", "ctrl+enter"), 1):
            await pilot.press(*"m", str(number), key)
            await until(pilot, f"{number} stored")
            assert message(pilot) == ""
        shown = await until(pilot, "✓ 12:10:31 orders 3 2 B 0 ms m3")
        assert shown.index("m3") < shown.index("m2") < shown.index("m1")  # newest first
        await pilot.press("ctrl+z")
        assert message(pilot) == "m3"  # sending can be undone in the field
    assert await stored(broker, "orders") == ["m1", "m2", "m3"]


async def test_in_one_line_mode_enter_sends_and_else_it_begins_a_line(
    opened: Opened, broker: Broker
) -> None:
    async with opened("orders") as pilot:
        await pilot.press("a", "enter", "b")
        assert message(pilot) == "a\nb"
        await pilot.press("ctrl+l", "f4", "c", "enter")
        await until(pilot, "1 stored")
        await until(pilot, "Enter sends")
        await pilot.press("f4", "enter")
        assert message(pilot) == "\n"
    assert await stored(broker, "orders") == ["c"]


async def test_the_border_judges_json_and_json_mode_blocks_what_is_none(opened: Opened) -> None:
    async with opened("orders") as pilot:
        await typed(pilot, '{"a": 1')
        await until(pilot, "text; as JSON line 1: expecting ',' delimiter 7 B of 1 MiB")
        await pilot.press("f3", "f3")
        await until(pilot, "(*) JSON")
        await pilot.press("ctrl+s")
        await until(pilot, "✗ not JSON, line 1")
        await typed(pilot, "}")
        await until(pilot, "JSON ok 8 B of 1 MiB")
        assert "✗" not in frame(pilot.app)
        await pilot.press("ctrl+s")
        await until(pilot, "1 stored")


async def test_a_message_over_the_limit_is_blocked_with_a_sentence(opened: Opened) -> None:
    async with opened("orders") as pilot:
        pilot.app.screen.query_one(Composer).limit = 1024
        await typed(pilot, "x" * 1024)
        await until(pilot, "✗ 1,026 bytes as sent, 2 more than the broker takes (1,024)")
        await pilot.press("ctrl+s")
        await until(pilot, "0 waiting 0 stored 0 failed")
        await pilot.press("backspace", "backspace")
        await until(pilot, "1022 B of 1 KiB")
        await gone(pilot, "more than the broker takes")


async def test_what_would_be_too_slow_to_edit_is_not_taken(opened: Opened) -> None:
    async with opened("orders") as pilot:
        await pilot.press("a")
        pilot.app.post_message(Paste("x" * (LONGEST_LINE + 1)))
        await until(pilot, "✗ it is too long to be edited here; from a file it can be sent")
        assert message(pilot) == "a"
        pilot.app.post_message(Paste("b" * 1000 + "\n"))
        await until(pilot, "1002 B of")


async def test_nothing_is_sent_without_a_text_or_a_topic(opened: Opened) -> None:
    async with opened() as pilot:
        await pilot.press("2", "x", "ctrl+s")
        await until(pilot, "✗ no topic is chosen")
        await pilot.press("ctrl+o", "escape", "n", "t", "enter")
        await until(pilot, "Message to t")
        assert message(pilot) == "x"  # typed before, and not lost
        await pilot.press("backspace", "ctrl+s")
        await until(pilot, "✗ there is nothing to send")


async def test_clearing_can_be_undone(opened: Opened) -> None:
    async with opened("orders") as pilot:
        await pilot.press("a", "b", "ctrl+l")
        assert message(pilot) == ""
        await pilot.press("ctrl+z")
        assert message(pilot) == "ab"


# drafts and earlier messages


async def test_each_topic_has_a_draft_that_survives_a_restart(opened: Opened) -> None:
    async with opened("orders", "audit") as pilot:
        await pilot.press("a", "b", "escape", "down", "enter")
        await until(pilot, "Message to audit")
        assert message(pilot) == ""
        await pilot.press("c", "escape", "up", "enter")
        await until(pilot, "Message to orders")
        assert message(pilot) == "ab"
        await pilot.press("d")
    async with opened("orders", "audit") as pilot:
        assert message(pilot) == "abd"
        await pilot.press("escape", "down", "enter")
        await until(pilot, "Message to audit")
        assert message(pilot) == "c"


async def sent(pilot: Pilot[Any], *texts: str) -> None:
    for number, text in enumerate(texts, 1):
        await typed(pilot, text)
        await pilot.press("ctrl+s")
        await until(pilot, f"{number} stored")


async def test_earlier_messages_are_found_by_their_letters_loaded_and_resent(
    opened: Opened, broker: Broker
) -> None:
    async with opened("orders") as pilot:
        await sent(pilot, "first order", "second [/x]")
        await pilot.press("ctrl+r")
        await until(pilot, "2 of 2 messages")
        await pilot.press(*"frs", "enter")
        await pilot.pause()
        assert message(pilot) == "first order"
        await pilot.press("ctrl+r", "down", "up", "ctrl+s")
        await until(pilot, "3 stored")
    assert await stored(broker, "orders") == ["first order", "second [/x]", "second [/x]"]


async def test_earlier_messages_are_stepped_through_and_remembered(opened: Opened) -> None:
    async with opened("orders") as pilot:
        await sent(pilot, "first", "second")
        for key, text in (("up", "second"), ("up", "first"), ("down", "second"), ("down", "")):
            await pilot.press(f"ctrl+{key}")
            assert message(pilot) == text
    async with opened("orders") as pilot:
        await pilot.press("ctrl+r")
        await until(pilot, "2 of 2 messages")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, PublisherScreen)


async def test_the_own_editor_edits_the_message(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "an editor"
    editor.write_text('#!/bin/sh\necho "from the editor" >>"$1"\n')
    editor.chmod(0o700)
    monkeypatch.setattr(App, "suspend", lambda _: nullcontext())  # there is no terminal here
    async with opened("orders") as pilot:
        await pilot.press("a")
        monkeypatch.setenv("EDITOR", f"'{editor}'")
        await pilot.press("ctrl+g")
        await until(pilot, "from the editor")
        assert message(pilot) == "afrom the editor"
        await pilot.press("ctrl+z")
        assert message(pilot) == "a"
        for command, told in (("false", "ended with 1"), ("'", "cannot be"), ("/no", "cannot be")):
            monkeypatch.setenv("VISUAL", command)
            await pilot.press("ctrl+g")
            await until(pilot, told)
            await pilot.press("x", "backspace")
        assert message(pilot) == "a"


# topics


async def test_a_topic_is_made_and_refusals_stand_under_its_field(
    opened: Opened, broker: Broker
) -> None:
    async with opened() as pilot:
        await pilot.press("n", "space", "x", "tab")
        await until(pilot, "✗ ' x' is not a topic name")
        await pilot.press("shift+tab", "home", "delete")
        await gone(pilot, "not a topic name")
        await pilot.press("enter")
        await until(pilot, "Message to x")
        await until(pilot, "1 topic")
        await pilot.press("escape", "n", "x", "enter")
        await until(pilot, "✗ there is a topic 'x' already")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "topic-name"
        await pilot.press("escape")


async def test_a_name_that_the_filter_does_not_find_can_be_made(opened: Opened) -> None:
    async with opened("orders") as pilot:
        await pilot.press("escape", "slash", *"new", "enter")
        await until(pilot, "New topic")
        await pilot.press("enter")
        await until(pilot, "Message to new")
        await until(pilot, "2 topics")


async def test_subscribers_are_counted(opened: Opened, broker: Broker) -> None:
    async with opened("orders") as pilot:
        await until(pilot, "orders 0 subs")
        address = f"127.0.0.1:{broker.port}"
        async with Subscriber(address, "eve@example.com", create=True) as eve:
            await eve.subscribe("orders")
            await until(pilot, "orders 1 sub")


# what becomes of a message


async def test_two_ticks_come_when_all_subscriptions_have_it(
    opened: Opened, broker: Broker, clock: StandingClock
) -> None:
    address = f"127.0.0.1:{broker.port}"
    async with (
        Subscriber(address, "eve@example.com", create=True, auto_confirm=False) as eve,
        Subscriber(address, "bob@example.com", create=True, auto_confirm=False) as bob,
        opened("orders") as pilot,
    ):
        await eve.subscribe("orders")
        await bob.subscribe("orders")
        await pilot.press("m", "ctrl+s")
        await until(pilot, "1 stored")
        await confirmed(eve)
        clock.time += 60
        await until(pilot, "✓ 12:10:31 orders 1 1 B 0 ms 1 of 2 m")
        await confirmed(bob)
        clock.time += 60
        await until(pilot, "✓✓ 12:10:31 orders 1 1 B 0 ms 2 of 2 m")


async def test_a_refused_message_says_why_and_enter_loads_it_back(
    opened: Opened, broker: Broker
) -> None:
    async with opened("orders") as pilot:
        pilot.app.screen.query_one(Composer).choose("missing")
        await pilot.press("h", "i", "ctrl+s")
        await until(pilot, "✗ 12:10:31 missing - 2 B 0 ms there is no topic 'missing'")
        await pilot.press("escape", "enter")
        await until(pilot, "Message to orders")
        await pilot.press("escape", "3", "enter")
        await until(pilot, "Message to missing")
        await until(pilot, "list_topics")  # in full now; the row has no room for it
        assert message(pilot) == "hi"


async def test_what_is_not_answered_is_resent_and_stored_once(
    opened: Opened, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    resent: list[str] = []
    resend = SentList.resend

    def noted(sent: SentList, row: Row) -> None:
        resent.append(row.text)
        resend(sent, row)

    monkeypatch.setattr(SentList, "resend", noted)
    relay = Relay(lambda: asyncio.open_connection("127.0.0.1", broker.port))
    async with relay.listening() as port, opened("orders", connect=f"127.0.0.1:{port}") as pilot:
        relay.lose_answer()
        await pilot.press("m", "ctrl+s")
        await until(pilot, "1 stored", 15)
        await until(pilot, "✓ 12:10:31 orders")
    assert resent == ["m"]
    assert await stored(broker, "orders") == ["m"]


async def test_without_an_answer_the_age_is_shown_and_retrying_can_be_hurried(
    opened: Opened, broker: Broker, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried: list[Publisher] = []
    monkeypatch.setattr(Publisher, "retry_now", lambda client: hurried.append(client))
    async with opened("orders") as pilot:
        await pilot.press("escape", "3", "r", "f5")
        assert hurried == []  # there is nothing to retry
        await broker.stop()
        await until(pilot, "reconnecting in")
        await until(pilot, "f5 Retry now")
        await pilot.press("r", "2", "f5", "m", "ctrl+s")
        assert len(hurried) == 2
        clock.time += 7
        await until(pilot, "… 12:10:31 orders - 1 B 7 s m")
        await until(pilot, "1 waiting 0 stored")


async def test_leaving_with_a_message_unsent_asks_and_staying_stays(
    opened: Opened, broker: Broker
) -> None:
    async with opened("orders") as pilot:
        await broker.stop()
        await until(pilot, "reconnecting in")
        await pilot.press("m", "ctrl+s", "escape", "q")
        await until(pilot, "The broker has not stored 1 message.")
        await pilot.press("escape", "ctrl+q")
        await until(pilot, "The broker has not stored 1 message.")
        await pilot.press("end", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PublisherScreen)
        await pilot.press("ctrl+t")
        await until(pilot, "Wait for them, then switch the account")
        await pilot.press("escape", "ctrl+q", "down", "enter")
        await until_closed(pilot)


async def until_closed(pilot: Pilot[Any]) -> None:
    async with asyncio.timeout(10):
        while pilot.app.is_running and not pilot.app._exit:
            await pilot.pause(0.01)


async def test_quitting_can_wait_for_what_is_unsent(
    opened: Opened, broker: Broker, tmp_path: Path
) -> None:
    path = tmp_path / "lines"
    path.write_text("x\n" * 50)
    async with opened("orders") as pilot:
        await send_file(pilot, path, rate="40")
        await until(pilot, "p pauses")
        await pilot.press("p")
        await until(pilot, "paused")
        await pilot.press("q")
        await until(pilot, "The file lines is being sent.")
        await pilot.press("enter")
        await until_closed(pilot)
    assert len(await stored(broker, "orders")) == 50


async def test_waiting_for_what_fails_does_not_quit(opened: Opened, broker: Broker) -> None:
    async with opened("orders") as pilot:
        await broker.stop()
        await until(pilot, "reconnecting in")
        await pilot.press("m", "ctrl+s", "ctrl+q")
        await until(pilot, "Wait for them")
        await pilot.press("enter")
        await until(pilot, "Waiting for 1 message")
        screen = pilot.app.screen_stack[-2]
        assert isinstance(screen, PublisherScreen)
        await screen._client.close()
        await until(pilot, "not all could be stored")
        await until(pilot, "✗ 12:10:31 orders - 1 B 0 ms it is not known whether")
        assert pilot.app.is_running


async def test_with_nothing_unsent_quitting_asks_nothing(opened: Opened) -> None:
    async with opened("orders") as pilot:
        await pilot.press("a", "escape", "q")
        await until_closed(pilot)


async def test_when_the_session_is_over_the_screen_says_why_and_keeps_the_text(
    opened: Opened, broker: Broker
) -> None:
    async with opened("orders") as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, PublisherScreen)
        await pilot.press("m", "ctrl+s")
        await until(pilot, "1 stored")
        await screen._client.close()
        await until(pilot, "■ closed: the client has been closed")
        await pilot.press("x", "ctrl+s")
        await until(pilot, "✗ the session is over: the client has been closed. Ctrl+T signs in")
        assert message(pilot) == "x"
        await until(pilot, "✓")  # still to be read


# files


async def send_file(pilot: Pilot[Any], path: Path, rate: str = "") -> None:
    await pilot.press("ctrl+o")
    await until(pilot, "Send a file to")
    pilot.app.screen.query_one("#path").value = str(path)  # type: ignore[attr-defined]  # an Input
    await until(pilot, " message")
    if rate:
        await pilot.press("tab", "tab", *rate)
    await pilot.press("ctrl+s")


async def test_a_file_is_completed_looked_at_and_sent_one_line_at_a_time(
    opened: Opened, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lines.txt").write_bytes(b"one [/x]\n\xff\nthree\x1b\n")
    monkeypatch.chdir(tmp_path)
    async with opened("orders") as pilot:
        await pilot.press("ctrl+o", *"li")
        await until(pilot, "lines.txt")
        await pilot.press("right")
        await until(pilot, "18 B, 3 messages")
        await until(pilot, "1 one [/x]")
        await until(pilot, "2 ✗ not UTF-8 text")
        await until(pilot, "3 three\\x1b")
        await pilot.press("ctrl+s")
        await until(pilot, "✗ 12:10:31 orders 2 0 ms 2 stored, 1 failed")
        await until(pilot, "0 waiting 2 stored 1 failed")
        await pilot.press("enter")
        await until(pilot, "2 stored, 1 failed; 2: not UTF-8 text")
        await pilot.press("ctrl+e")
        await until(pilot, "1 message saved in")
        assert (tmp_path / "lines.txt.failed").read_bytes() == b"\xff\n"
    assert await stored(broker, "orders") == ["one [/x]", "three\x1b"]


async def test_the_mode_is_chosen_with_arrows(
    opened: Opened, broker: Broker, tmp_path: Path
) -> None:
    path = tmp_path / "array.json"
    path.write_text('["a", 1]')
    async with opened("orders") as pilot:
        await pilot.press("ctrl+o")
        await until(pilot, "Send a file to")
        pilot.app.screen.query_one("#path").value = str(path)  # type: ignore[attr-defined]  # an Input
        await until(pilot, "(*) JSON array")
        await until(pilot, "2 messages")
        await pilot.press("enter", "left")
        await until(pilot, "(*) whole file")
        await until(pilot, "1 message")
        await pilot.press("tab", *"x", "enter")
        await until(pilot, "✗ a number of messages a second")
        await pilot.press("backspace", "enter")
        await until(pilot, "1 stored")
    assert await stored(broker, "orders") == ['["a", 1]']


async def test_what_is_wrong_with_a_path_stands_under_it(opened: Opened, tmp_path: Path) -> None:
    async with opened("orders") as pilot:
        await pilot.press("ctrl+o", "ctrl+s")
        await until(pilot, "✗ a path is needed")
        pilot.app.screen.query_one("#path").value = f"{tmp_path}"  # type: ignore[attr-defined]  # an Input
        await until(pilot, "is a folder")
        await pilot.press("ctrl+s")
        await until(pilot, "is a folder")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, PublisherScreen)


async def test_a_file_is_paused_resumed_and_cancelled_and_is_one_row(
    opened: Opened, tmp_path: Path
) -> None:
    path = tmp_path / "lines"
    path.write_text("x\n" * 100_000)
    async with opened("orders") as pilot:
        await send_file(pilot, path, rate="20")
        await until(pilot, "p pauses c cancels")
        await pilot.press("p")
        await until(pilot, "paused")
        await until(pilot, "p resumes")
        await pilot.press("ctrl+o")
        await until(pilot, "Send a file to")
        await until(pilot, "100,000 messages")
        await pilot.press("ctrl+s")
        await until(pilot, "lines is being sent")  # one at a time
        await pilot.press("escape", "3", "p")
        await until(pilot, "100,000 stored, sending")
        await pilot.press("c")
        await until(pilot, "100,000 stored, cancelled")
        assert frame(pilot.app).count("12:10:31") == 1


@pytest.mark.slow
async def test_a_large_file_and_messages_beside_it_leave_the_screen_quick(
    opened: Opened, broker: Broker, tmp_path: Path
) -> None:
    path = tmp_path / "lines"
    path.write_text("".join(f'{{"n":{n}}}\n' for n in range(20_000)))
    async with opened("orders") as pilot:
        await send_file(pilot, path)
        await pilot.press("escape", "2")
        for _ in range(3):
            await pilot.press("m", "ctrl+s")
        await until(pilot, "20,003 stored", 15)
        screen = pilot.app.screen
        assert isinstance(screen, PublisherScreen)
        assert len(screen.publishing.sent.rows) == 4


# the look


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_screen_at_each_size(
    opened: Opened,
    frames: SnapshotAssertion,
    size: tuple[int, int],
    broker: Broker,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened("orders.eu", "orders.us", "a topic with a rather long name", size=size) as (
        pilot
    ):
        bar = pilot.app.screen.query_one("#status")
        bar.who = "ada@example.com at 127.0.0.1:3000"  # type: ignore[attr-defined]  # a StatusBar
        await typed(pilot, '{"order":10,"state":"paid"}')
        await pilot.press("ctrl+s")
        await until(pilot, "1 stored")
        await typed(pilot, "21.5")
        await pilot.press("ctrl+s")
        await until(pilot, "2 stored")
        await typed(pilot, '{\n  "order": 11,\n  "state": "new"\n}')
        for pane in ("compose", "topics", "sent"):
            pilot.app.screen.action_go(pane)  # type: ignore[attr-defined]  # a PublisherScreen
            await pilot.pause()
            assert await settled(pilot, frames(name=pane)) == frames


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_dialogs_at_each_size(
    opened: Opened,
    frames: SnapshotAssertion,
    size: tuple[int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lines.txt").write_text("one\ntwo\n")
    async with opened("orders.eu", size=size) as pilot:
        bar = pilot.app.screen.query_one("#status")
        bar.who = "ada@example.com at 127.0.0.1:3000"  # type: ignore[attr-defined]  # a StatusBar
        await typed(pilot, "hello")
        await pilot.press("ctrl+s")
        await until(pilot, "1 stored")
        await pilot.press("ctrl+r")
        await until(pilot, "1 of 1 message")
        assert await settled(pilot, frames(name="recall")) == frames
        await pilot.press("escape", "ctrl+o")
        await until(pilot, "Send a file to")
        pilot.app.screen.query_one("#path").value = "lines.txt"  # type: ignore[attr-defined]  # an Input
        await until(pilot, "2 two")
        assert await settled(pilot, frames(name="file")) == frames
        await pilot.press("escape", "escape", "n", "space", "x", "enter")
        await until(pilot, "not a topic name")
        assert await settled(pilot, frames(name="new topic")) == frames


async def test_a_narrow_screen_shows_one_pane_and_tab_goes_to_the_next(opened: Opened) -> None:
    async with opened("orders", size=(60, 16)) as pilot:
        for shown in ("[3 Sent]", "[1 Topics]", "[2 Message]"):
            await pilot.press("tab")
            await until(pilot, shown)
        for shown in ("[1 Topics]", "[3 Sent]"):
            await pilot.press("shift+tab")
            await until(pilot, shown)
        await pilot.press("2")
        await until(pilot, "[2 Message]")


async def test_strangers_text_is_shown_and_does_nothing(opened: Opened, broker: Broker) -> None:
    topic = "[/x] [bold] 漢e\u0301"
    async with opened(topic) as pilot:
        await typed(pilot, HOSTILE)
        shown = frame(pilot.app)
        await pilot.press("ctrl+s")
        await until(pilot, "1 stored")
        shown += frame(pilot.app)
        await pilot.press("escape", "3", "y", "enter")
        await pilot.pause()
        assert message(pilot) == HOSTILE
        await pilot.press("ctrl+r")
        await until(pilot, "1 of 1")
        shown += frame(pilot.app)
        assert "[/x] [bold]" in shown
        assert not set("\x1b\x00\u202e") & set(shown)
    assert await stored(broker, topic) == [HOSTILE]


async def test_ascii_draws_with_ascii_alone(opened: Opened) -> None:
    async with opened("orders", ascii_only=True) as pilot:
        await pilot.press("m", "ctrl+s")
        await until(pilot, "ok 12:10:31 orders")
        for pane in ("2", "3"):
            await pilot.press("escape", pane)
            await pilot.pause()
            assert frame(pilot.app).isascii()


async def test_every_key_of_the_footer_is_in_the_help_and_the_footer_has_six_at_most(
    opened: Opened,
) -> None:
    async with opened("orders") as pilot:
        for pane in ("1", "2", "3"):
            await pilot.press("escape", pane)
            await until(pilot, "? Help")
            active = [one.binding for one in pilot.app.screen.active_bindings.values()]
            shown = {one.action for one in active if one.show and not one.system}
            assert 4 <= len(shown) <= 6
        await pilot.press("f1")
        shown_keys = {key.text for key in pilot.app.screen._keys}  # type: ignore[attr-defined]  # a HelpScreen
        assert {"Load", "Recall", "File", "New topic", "Your editor", "Quit"} <= shown_keys
        await pilot.press("escape", "2", "f1")
        shown_keys = {key.text for key in pilot.app.screen._keys}  # type: ignore[attr-defined]  # a HelpScreen
        assert {"Send", "Earlier message"} <= shown_keys
        assert not any("Cursor" in text for text in shown_keys)  # what every field has
