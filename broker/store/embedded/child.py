"""A program of PostgreSQL's as a child of the broker, and how a process is stopped."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

from broker.store.embedded.account import Account, launcher_command

_REPEAT_S = 0.2

logger = logging.getLogger("pubsub.store")


@dataclass(frozen=True)
class StopLimits:
    """How long each step of stopping PostgreSQL may take before the next, harder one."""

    fast_s: float = 60  # it writes a checkpoint, which on a slow disk takes its time
    immediate_s: float = 10  # it kills its own children after five seconds


class Stoppable(Protocol):
    @property
    def pid(self) -> int: ...
    def signal(self, number: signal.Signals) -> None: ...
    async def ended_within(self, limit_s: float) -> bool: ...


async def stop_process(process: Stoppable, limits: StopLimits) -> None:
    """Stop a postmaster: ask for a fast shutdown, then an immediate one, then kill it."""
    for number, limit_s in (
        (signal.SIGINT, limits.fast_s),
        (signal.SIGQUIT, limits.immediate_s),
        (signal.SIGKILL, limits.immediate_s),
    ):
        if await _ended_on(process, number, limit_s):
            return
        logger.warning("PostgreSQL (pid %d) did not stop on %s", process.pid, number.name)


async def _ended_on(process: Stoppable, number: signal.Signals, limit_s: float) -> bool:
    # Sent again and again: in its first moments a child of a broker that was started in the
    # background ignores SIGINT, as its parent does. PostgreSQL does not mind hearing it twice.
    deadline = monotonic() + limit_s
    while (left_s := deadline - monotonic()) > 0:
        process.signal(number)
        if await process.ended_within(min(left_s, _REPEAT_S)):
            return True
    return False


async def to_the_end(work: Coroutine[object, object, None]) -> None:
    """Do `work` to its end even if the caller is cancelled meanwhile.

    The cancel goes on up afterwards.
    """
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


class Child:
    """One run of one program, in a session of its own so that Ctrl-C passes it by.

    When this process dies, or the thread that made the child ends, the kernel sends the
    child `death_signal` (on Linux; elsewhere it lives on). The end of the child is seen by
    a thread and not by the event loop's own child watcher: those differ from loop to
    loop, and a cancelled `create_subprocess_exec` may leave a process behind.
    """

    def __init__(
        self,
        program: Path,
        arguments: Sequence[str],
        *,
        account: Account,
        folder: Path,
        output: int,
        death_signal: signal.Signals,
        inherited: Sequence[int] = (),
    ) -> None:
        parent = str(os.getpid())
        self._process = subprocess.Popen(
            [*launcher_command(account), str(int(death_signal)), parent, str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,  # the one the caller stands in may be closed to the account
            env=_environment(),
            pass_fds=inherited,
            start_new_session=True,
        )
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        threading.Thread(
            target=self._await_end, name=f"wait for {program.name}", daemon=True
        ).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    @property
    def exit_status(self) -> str:
        """What `wait` found, in words."""
        code = self._process.returncode
        return f"signal {-code}" if code < 0 else f"status {code}"

    @property
    def succeeded(self) -> bool:
        return self._process.returncode == 0

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)  # does nothing once the child has been waited for

    async def wait(self) -> None:
        await self._ended.wait()

    async def ended_within(self, limit_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._ended.wait()
        return self._ended.is_set()

    async def kill_with_its_children(self) -> None:
        """Kill the whole session; on return the child itself is gone. Harmless when it ended."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        await self._ended.wait()

    def _await_end(self) -> None:
        self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._ended.set)


def _environment() -> dict[str, str]:
    """Return ours without what would lead PostgreSQL elsewhere, and in plain English.

    An unknown LANG makes initdb fail; PGDATA, PGOPTIONS and their like are meant for
    other servers.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}
