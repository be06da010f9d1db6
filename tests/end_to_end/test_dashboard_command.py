"""`pubsub broker --dashboard` in a real terminal, a pseudo one, and what ends it."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.process import PUBSUB, ROOT, environment, run
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


class Terminal:
    """A process whose terminal is ours."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self.shown = b""
        self._master = master
        asyncio.get_running_loop().add_reader(master, self._read)
        self._more = asyncio.Event()

    async def until(self, text: str) -> None:
        """Wait until `text` has been written to the terminal."""
        async with asyncio.timeout(18):
            while text.encode() not in self.shown:
                self._more.clear()
                await self._more.wait()

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def close(self) -> None:
        """Take the terminal away, as a window that is closed does."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            self._master = -1

    async def code(self) -> int:
        return await self.process.wait()

    def _read(self) -> None:
        with suppress(OSError):  # the other side is closed
            data = os.read(self._master, 65_536)
            self.shown += data
            self._more.set()
            if data:
                return
        asyncio.get_running_loop().remove_reader(self._master)


@asynccontextmanager
async def terminal(command: list[str], tmp_path: Path) -> AsyncIterator[Terminal]:
    """Run `command` in a terminal of 100 x 30."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    own = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", "LANG": "C.UTF-8"}
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        own[name] = str(tmp_path / name)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(own),
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(slave)
    screen = Terminal(process, master)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        screen.close()


def _take_terminal() -> None:
    """Make standard input the terminal that a closed window hangs up."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def dashboard(database: str, port: int) -> list[str]:
    return [*PUBSUB, "broker", "--dashboard", f"--port={port}", "--store", database]


@pytest.fixture
def port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def signed_in(port: int) -> Wire:
    wire = await Wire.open(port)
    assert (await wire.ask("create", user_email="a@b.c", user_type="publisher"))["code"] == 0
    return wire


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_exits_0(
    database: str, port: int, tmp_path: Path, number: signal.Signals
) -> None:
    async with terminal(dashboard(database, port), tmp_path) as screen:
        await screen.until("serving")
        wire = await signed_in(port)
        screen.process.send_signal(number)
        assert "being stopped" in (await wire.read())["message"]
        await wire.close()
        assert await screen.code() == 0
        assert b"\x1b[?1049l" in screen.shown  # the terminal is as it was


async def test_a_screen_that_fails_leaves_the_broker_serving_and_says_so(
    database: str, port: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", FAILING_SCREEN, *dashboard(database, port)[3:]]
    async with terminal(command, tmp_path) as screen:
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
    async with terminal(dashboard(database, port), tmp_path) as screen:
        await screen.until("serving")
        screen.press("\x1a")
        await screen.until("The screen is put away")
        screen.press("\x1a")  # once more, where the terminal itself would take it
        wire = await signed_in(port)
        screen.shown = b""
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
    async with terminal(dashboard(database, port), tmp_path) as screen:
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
