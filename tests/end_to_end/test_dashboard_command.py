"""`pubsub broker --dashboard` in a real terminal, a pseudo one, and what ends it."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import ROOT, free_port, run
from tests.terminal import terminal
from tests.wire import Wire

FAILING_SCREEN = """
from app.dashboard.screen import DashboardScreen
def show(self, view):
    if view.snapshot:
        raise ValueError("planted")
DashboardScreen.show = show
from app.main import main
main()
"""


def dashboard(database: str, port: int) -> list[str]:
    return ["broker", "--dashboard", f"--port={port}", "--store", database]


@pytest.fixture
def port() -> int:
    return free_port()


async def signed_in(port: int) -> Wire:
    wire = await Wire.open(port)
    assert (await wire.ask("create", user_email="a@b.c", user_type="publisher"))["code"] == 0
    return wire


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_exits_0(
    database: str, port: int, tmp_path: Path, number: signal.Signals
) -> None:
    async with terminal(*dashboard(database, port), home=tmp_path) as screen:
        await screen.until("serving")
        wire = await signed_in(port)
        screen.process.send_signal(number)
        assert "being stopped" in (await wire.read())["message"]
        await wire.close()
        assert await screen.code() == 0
        assert b"\x1b[?1049l" in screen.written  # the terminal is as it was


async def test_a_screen_that_fails_leaves_the_broker_serving_and_says_so(
    database: str, port: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", FAILING_SCREEN]
    async with terminal(*dashboard(database, port), home=tmp_path, command=command) as screen:
        await screen.until(f"the broker goes on serving on 127.0.0.1:{port}")
        wire = await signed_in(port)
        await wire.ask("create_topic", topic_name="T")
        assert await wire.ask("publish_msg", topic_name="T", msg="x") == {
            "action": "success",
            "code": 0,
        }
        screen.press("\x03")
        assert "being stopped" in (await wire.read())["message"]
        await wire.close()
        assert await screen.code() == 0


async def test_ctrl_z_puts_the_screen_away_and_the_broker_goes_on(
    database: str, port: int, tmp_path: Path
) -> None:
    async with terminal(*dashboard(database, port), home=tmp_path) as screen:
        await screen.until("serving")
        screen.press("\x1a")
        await screen.until("The screen is put away")
        screen.press("\x1a")  # once more, where the terminal itself would take it
        wire = await signed_in(port)
        screen.press("\r")
        await screen.until("Sessions")
        screen.press("\x03")
        assert "being stopped" in (await wire.read())["message"]
        await wire.close()
        assert await screen.code() == 0


@pytest.mark.slow
@pytest.mark.timeout(40)  # the reader is waited for, then the screen
async def test_a_terminal_that_goes_away_ends_the_broker_properly(
    database: str, port: int, tmp_path: Path
) -> None:
    async with terminal(*dashboard(database, port), home=tmp_path) as screen:
        await screen.until("serving")
        wire, reader = await signed_in(port), await Wire.open(port)
        await wire.ask("create_topic", topic_name="T")
        await reader.ask("create", user_email="s@b.c", user_type="subscriber")
        await reader.ask("subscribe", topic_name="T")
        transport = reader.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()  # so that the end takes as long as it may
        for _ in range(20):
            await wire.ask("publish_msg", topic_name="T", msg="x" * 500_000)
        screen.close()  # and the screen draws, and waits for somebody to take that
        assert "being stopped" in (await wire.read())["message"]
        assert await screen.code() == 0
        await wire.close()
        transport.abort()


async def test_without_a_terminal_it_names_the_plain_command(data_dir: Path) -> None:
    ended = await run("broker", "--dashboard", "--port", "0", "--data-dir", data_dir)
    assert (ended.code, ended.out) == (2, b"")
    assert "`pubsub broker` does the same as plain text" in ended.err
    assert not data_dir.exists()


def test_the_plain_broker_imports_no_screen() -> None:
    code = "import app.main, app.commands.broker, sys; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
