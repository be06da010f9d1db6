"""One worker process, as its parent sees it."""

import asyncio
import contextlib
import subprocess

from app.processes import own_environment, own_python
from app.workers.order import Order, encode


class Worker:
    """A process that serves, or is about to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, order: Order) -> "Worker":
        process = await asyncio.create_subprocess_exec(
            *own_python("app.workers.child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,  # its log goes where ours goes
            env=own_environment(),
            start_new_session=True,  # the terminal's Ctrl-C is for us, not for it
        )
        assert process.stdin is not None
        process.stdin.write(encode(order))
        return cls(process)

    async def serves(self) -> str | None:
        """Return the address once clients can connect, or None where it has ended instead."""
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        return line.removeprefix("listening on ").rstrip("\n") or None

    async def ended(self) -> int:
        """Return its exit code when it has ended; that of a signal is negative."""
        return await self._process.wait()

    def ask_to_stop(self) -> None:
        """Have it finish what it has accepted, and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
