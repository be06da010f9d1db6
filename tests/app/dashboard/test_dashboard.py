"""The broker's screen: what it shows of a broker, and what its keys do."""

import asyncio
import logging
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from app.dashboard.app import DashboardApp
from app.dashboard.log import LogKeeper
from app.dashboard.server import BrokerThread, Phase
from app.text import harmless
from broker import CannotListen, Settings
from broker.snapshot import Condition, TopicFigures
from tests.app.dashboard.conftest import HOSTILE, ToldServer, sessions, snapshot, topics
from tests.app.dashboard.test_server import serving
from tests.app.frames import frame, settled, until
from tests.wire import Wire

Make = Callable[..., DashboardApp]
SIZES = [(100, 30), (80, 24), (60, 16)]
SHOWN: Any = {"size": (100, 30), "notifications": True}


async def test_a_known_exchange_is_counted_exactly(running: BrokerThread, dashboard: Make) -> None:
    port = await serving(running)
    publisher, subscriber = await Wire.open(port), await Wire.open(port)
    await publisher.ask("create", user_email="p@b.c", user_type="publisher")
    await publisher.ask("create_topic", topic_name="T")
    await subscriber.ask("create", user_email="s@b.c", user_type="subscriber")
    await subscriber.ask("subscribe", topic_name="T")
    async with dashboard(running).run_test(**SHOWN) as pilot:
        await until(pilot, "sessions 2 pub 1 sub 1")
        for number in range(1_234):
            publisher.send("publish_msg", topic_name="T", msg=str(number))
        publisher.send("publish_msg", topic_name="none", msg="x")
        await publisher.read_many(1_235)
        await subscriber.read_many(1_234)
        shown = await until(pilot, "errors 1")
        into, out = (line for line in shown.splitlines() if line.startswith(("│ in ", "│ out ")))
        assert (into.split()[3], out.split()[3]) == ("1,234", "1,234")
        await until(pilot, "1,234 messages, 1 topic")
        await until(pilot, "1,234 1")  # in the table, with its subscription
    for wire in (publisher, subscriber):
        await wire.close()


async def test_a_session_is_inspected_and_disconnected(
    running: BrokerThread, dashboard: Make
) -> None:
    wire = await Wire.open(await serving(running))
    await wire.ask("create", user_email="s@b.c", user_type="subscriber", version=2)
    await wire.ask("unsubscribe", topic_name="none")
    async with dashboard(running).run_test(**SHOWN) as pilot:
        await until(pilot, "s@b.c")
        await pilot.press("2", "enter")
        await until(pilot, "there is no topic 'none'")
        await pilot.press("d")
        await until(pilot, "Disconnect s@b.c?")
        await pilot.press("escape", "d", "enter")
        await until(pilot, "s@b.c is disconnected")
        assert (await wire.read())["reason"] == "disconnected"
        await wire.close()
        await until(pilot, "this has ended")
        await pilot.press("escape")
        await until(pilot, "Nobody is connected.")


async def test_a_topic_is_inspected_with_its_cursors(
    running: BrokerThread, dashboard: Make
) -> None:
    port = await serving(running)
    wire = await Wire.open(port)
    await wire.ask("create", user_email="p@b.c", user_type="publisher")
    await wire.ask("create_topic", topic_name="[/x] T")
    reader = await Wire.open(port)
    await reader.ask("create", user_email="[bold]@b.c", user_type="subscriber")
    await reader.ask("subscribe", topic_name="[/x] T")
    await wire.ask("publish_msg", topic_name="[/x] T", msg="x")
    async with dashboard(running).run_test(**SHOWN) as pilot:
        await until(pilot, "[/x] T")
        await pilot.press("enter")
        await until(pilot, "Topic [/x] T")
        await until(pilot, "[bold]@b.c 1 1 1")
    for one in (wire, reader):
        await one.close()


async def test_q_asks_with_the_number_of_sessions_and_stops_without_losing(
    running: BrokerThread, dashboard: Make
) -> None:
    wire = await Wire.open(await serving(running))
    await wire.ask("create", user_email="p@b.c", user_type="publisher")
    app = dashboard(running)
    async with app.run_test(**SHOWN) as pilot:
        await until(pilot, "p@b.c")
        await pilot.press("q")
        await until(pilot, "1 session is connected: 1 publisher and 0 subscribers")
        await pilot.press("escape")
        assert not running.stopping
        await pilot.press("q", "enter")
        assert "being stopped" in (await wire.read())["message"]
        await wire.close()
        await asyncio.to_thread(running.join)
        await pilot.pause(0.3)
    assert app.return_code == 0
    assert running.error is None
    assert not running.forced


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_while_it_drains_a_second_key_forces(
    told: ToldServer, dashboard: Make, key: str
) -> None:
    app = dashboard(told)
    async with app.run_test(**SHOWN) as pilot:
        await until(pilot, "serving")
        await pilot.press(*(("ctrl+c",) if key == "ctrl+c" else ("q", "enter")))
        assert told.stopping
        told.phase = Phase.STOPPING
        await until(pilot, "stopping: draining 3 sessions, q forces")
        assert not told.forced
        await pilot.press(key)
        await pilot.pause(0.3)
    assert told.forced
    assert app.return_code == 0


async def test_an_address_in_use_is_told_with_who_and_what_to_do(
    database: str, dashboard: Make
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = BrokerThread(Settings(store_url=database, port=port))
        server.start()
        app = dashboard(server)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, f"127.0.0.1:{port}")
            await until(pilot, "is free: pubsub broker")
            await pilot.press("q")
    server.join()
    assert isinstance(server.error, CannotListen)


async def test_freezing_holds_what_is_shown_and_nothing_else(
    told: ToldServer, dashboard: Make
) -> None:
    async with dashboard(told).run_test(**SHOWN) as pilot:
        await until(pilot, "9,818")
        await pilot.press("p")
        await until(pilot, "FROZEN")
        told.tell(messages_in=10_818)
        await pilot.pause(0.6)
        assert "9,818" in frame(pilot.app)
        await pilot.press("p")
        shown = await until(pilot, "10,818")
        assert "FROZEN" not in shown
        await until(pilot, "1,000/s")  # it was measured meanwhile


async def test_sorting_keeps_the_cursor_on_what_it_is_on(told: ToldServer, dashboard: Make) -> None:
    told.snapshot = snapshot(topics=topics(12), topic_count=12)
    async with dashboard(told).run_test(**SHOWN) as pilot:
        await until(pilot, "topic 3")
        await pilot.press("s", "s", "s", "g", "down")  # by unread, by name, by messages
        names = re.findall(r"┃ (topic \d+)", frame(pilot.app))
        assert names == [f"topic {number}" for number in reversed(range(12))]
        busy = replace(topics(12)[0], name="busy", head=5_000)
        told.tell(topics=(busy, *topics(12)), topic_count=13)
        await until(pilot, "busy")
        table = pilot.app.screen.query_one("#topic-figures DataTable")
        assert table.cursor_row == 2  # type: ignore[attr-defined]  # on topic 10 still
        told.tell(topics=topics(1), topic_count=1)
        await until(pilot, "topic 0")
        assert "topic 1" not in frame(pilot.app)


async def test_a_filter_leaves_what_matches_and_escape_clears_it(
    told: ToldServer, dashboard: Make
) -> None:
    keeper = LogKeeper()
    for line in ("12:10:09 INFO    ada has left", "12:10:12 WARNING eve reads slowly"):
        keeper.keep(line)
    async with dashboard(told, keeper).run_test(**SHOWN) as pilot:
        await until(pilot, "topic 2")
        await pilot.press("slash", *"TOPIC 2", "enter")
        shown = await until(pilot, "1 of 3")
        assert "topic 1" not in shown
        await pilot.press("slash", "x")
        await until(pilot, "Nothing matches. Esc clears.")
        await pilot.press("escape")
        await until(pilot, "topic 1")
        await pilot.press("3", "slash", *"warn")
        shown = await until(pilot, "eve reads slowly")
        assert "ada has left" not in shown
        await pilot.press("escape")
        await until(pilot, "ada has left")
        keeper.keep("12:10:40 INFO    and more")
        await until(pilot, "and more")


async def test_more_than_fits_is_cut_with_a_note(told: ToldServer, dashboard: Make) -> None:
    told.snapshot = snapshot(
        topics=topics(200), topic_count=5_000, sessions=sessions(200), connections=10_000
    )
    async with dashboard(told).run_test(**SHOWN) as pilot:
        await until(pilot, "200 of 5,000")
        await until(pilot, "200 of 10,000")


async def test_the_conditions_are_told_in_words(told: ToldServer, dashboard: Make) -> None:
    told.phase, told.snapshot = Phase.STARTING, None
    async with dashboard(told).run_test(**SHOWN) as pilot:
        await until(pilot, "starting")
        told.phase, told.snapshot = Phase.SERVING, snapshot()
        await until(pilot, "● serving")
        told.tell(condition=Condition.LOW_DISK, free_bytes=120_000_000)
        await until(pilot, "disk low, 120.0 MB free: publishes are refused, reading works")
        told.tell(condition=Condition.STORE_SILENT)
        await until(pilot, "PostgreSQL does not answer: publishes wait")


async def test_what_strangers_wrote_is_shown_and_does_nothing(
    told: ToldServer, dashboard: Make
) -> None:
    keeper = LogKeeper()
    ada = replace(sessions(1)[0], account=HOSTILE, slow=True)
    told.snapshot = snapshot(
        topics=(TopicFigures(HOSTILE, 1, 0, 0, 0),), sessions=(ada,), connections=1
    )
    async with dashboard(told, keeper).run_test(**SHOWN) as pilot:
        logger = logging.Logger("test")
        logger.addHandler(keeper)
        logger.warning("%s", HOSTILE)
        await until(pilot, harmless(HOSTILE))
        await pilot.press("slash", "[", "slash", "x", "]", "enter")
        await until(pilot, "/[/x]")
        for keys in (("1", "enter"), ("2", "enter")):
            await pilot.press(*keys)
            await until(pilot, r"[/x] [bold]\x1b")
            await until(pilot, "this has ended")  # there is no broker to ask
            await pilot.press("escape")
        assert not set(frame(pilot.app)) & {"\x1b", "\x00", "\u202e"}


async def test_help_and_palette_have_every_key(told: ToldServer, dashboard: Make) -> None:
    async with dashboard(told).run_test(**SHOWN) as pilot:
        shown = await until(pilot, "Enter Inspect s Sort / Filter ? Help p Freeze q Stop")
        await pilot.press("question_mark", *"away")
        await until(pilot, "Put the screen away")
        await pilot.press("enter")
        await until(pilot, "the screen cannot be put away here")
        await pilot.press("f12")
        await until(pilot, "pubsub-suite")
        assert "Topics" in shown


@pytest.mark.parametrize("size", SIZES)
async def test_the_screen_at_each_size(
    told: ToldServer, dashboard: Make, frames: SnapshotAssertion, size: tuple[int, int]
) -> None:
    keeper = LogKeeper()
    keeper.keep("12:10:40 WARNING eve@example.com reads slowly: 812.0 kB queued")
    async with dashboard(told, keeper).run_test(size=size) as pilot:
        await until(pilot, "topic 2")
        told.tell(messages_in=9_946, messages_out=40_602, bytes_in=1_241_000, refusals=3)
        await until(pilot, "128/s")
        assert await settled(pilot, frames(name="topics")) == frames
        await pilot.press("2")
        await until(pilot, "user1@exam")
        assert await settled(pilot, frames(name="sessions")) == frames
        await pilot.press("q")
        await until(pilot, "3 sessions are connected")
        assert await settled(pilot, frames(name="stop")) == frames


@pytest.mark.parametrize("size", SIZES)
async def test_each_condition_at_each_size(
    told: ToldServer, dashboard: Make, frames: SnapshotAssertion, size: tuple[int, int]
) -> None:
    async def looks(name: str) -> None:
        assert await settled(pilot, frames(name=name)) == frames

    told.phase, told.snapshot = Phase.STARTING, None
    async with dashboard(told).run_test(size=size) as pilot:
        await looks("starting")
        told.phase, told.snapshot = Phase.SERVING, snapshot(connections=0, sessions=())
        await pilot.press("2")
        await looks("nobody")
        told.snapshot = snapshot(at_s=11.0)
        await pilot.press("1", "slash", "2", "enter")
        await looks("filter")
        await pilot.press("escape", "p")
        await looks("frozen")
        await pilot.press("p")
        told.tell(condition=Condition.LOW_DISK, free_bytes=120_000_000)
        await looks("low disk")
        told.tell(condition=Condition.STORE_SILENT)
        await looks("store silent")
        await pilot.press("question_mark")
        await looks("help")
        await pilot.press("escape")
        told.phase = Phase.STOPPING
        await looks("stopping")


async def test_the_screen_in_ascii_has_nothing_else(told: ToldServer, dashboard: Make) -> None:
    async with dashboard(told, ascii_only=True).run_test(
        size=(100, 30), notifications=True
    ) as pilot:
        await until(pilot, "* serving")
        told.tell(messages_in=9_946)
        await until(pilot, "128/s")
        assert frame(pilot.app).isascii()
