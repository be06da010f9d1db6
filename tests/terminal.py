"""The real commands on a terminal of their own, a pseudo one."""

import asyncio
import fcntl
import os
import pty
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pyte

from tests.process import PUBSUB, ROOT, environment

COLUMNS, ROWS = 100, 30


class Terminal:
    """A process whose terminal is ours: `written` is all it wrote there, as bytes."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self.written = b""
        self._master = master
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        asyncio.get_running_loop().add_reader(master, self._read)
        self._more = asyncio.Event()

    @property
    def shown(self) -> str:
        """What a person sees on it now, line by line."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    async def until(self, text: str, limit_s: float = 8) -> None:
        """Wait until the terminal shows `text`. Fails with what it shows instead."""
        try:
            async with asyncio.timeout(limit_s):
                while text not in self.shown:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"no {text!r} in\n{self.shown}") from None

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
            self.written += data
            self._stream.feed(data)
            self._more.set()
            if data:
                return
        asyncio.get_running_loop().remove_reader(self._master)


@asynccontextmanager
async def terminal(
    *arguments: str | Path,
    home: Path,
    env: Mapping[str, str] = {},
    command: list[str] = PUBSUB,
) -> AsyncIterator[Terminal]:
    """Run `pubsub` with `arguments` in a terminal of 100 x 30; it keeps its files under `home`."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (ROWS, COLUMNS))
    os.set_blocking(master, False)
    own = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS), "LANG": "C.UTF-8"}
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        own[name] = str(home / name)
    process = await asyncio.create_subprocess_exec(
        *command,
        *map(str, arguments),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(own | dict(env)),
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
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
