"""A broker process that can be killed, stopped, frozen, and started again where it was."""

import asyncio
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.faults.history import Failed, History, Memory
from tests.process import PUBSUB, ROOT, environment

LIMITS = ["--cache-mb", "16", "--store-wait", "2", "--sign-in-timeout", "30"]
START_S = 60  # PostgreSQL may have to recover first
STOP_S = 30
RESTART_S = 0.1


class Node:
    """A broker at `place`, as `--data-dir DIR` or `--store URL`, on a port that it keeps.

    With `patient` it is started again as a supervisor does, while a server that others run is
    away.
    """

    def __init__(
        self,
        log: Path,
        history: History,
        place: list[str],
        *,
        patient: bool,
        env: Mapping[str, str] = {},
        program: Sequence[str] = PUBSUB,
    ) -> None:
        self.port = 0
        self._log = log
        self._history = history
        self._place = place
        self._patient = patient
        self._env = env
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def launch(self) -> None:
        """Begin to start."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._program,
                *["broker", "--port", str(self.port), *self._place, *LIMITS],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(self._env),
                cwd=ROOT,
            )

    async def start(self) -> None:
        """Start where it was, and return when it can serve."""
        async with asyncio.timeout(START_S):
            while not await self._try_to_start():
                if not self._patient:
                    self._history.add(Failed(f"the broker did not start; {self._log} says why"))
                    return
                await asyncio.sleep(RESTART_S)

    async def _try_to_start(self) -> bool:
        await self.launch()
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.startswith(b"listening on "):
            await self._process.wait()
            return False
        self.port = int(line.rpartition(b":")[2])
        return True

    async def kill(self) -> None:
        """As `kill -9` does. Harmless when repeated, or never started."""
        if self._process is not None:
            self.note_memory()
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Stop it as an operator does."""
        self.note_memory()
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            code = await self._process.wait()
        if code != 0:
            self._history.add(Failed(f"the broker was stopped and ended with {code}"))

    def note_memory(self) -> None:
        with suppress(FileNotFoundError, ProcessLookupError, StopIteration):
            status = Path(f"/proc/{self.pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
            self._history.add(Memory(int(line.split()[1]) * 1024))

    def note_complaints(self) -> None:
        """Take down what the broker logged that no fault excuses."""
        if "Traceback" in self._log.read_text(errors="replace"):
            self._history.add(Failed(f"the broker logged a traceback; {self._log} has it"))
