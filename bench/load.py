"""Load processes: each does one job on bare sockets, in steps that its parent calls.

A process is handed its job, prepares it, and is then told when to run and when to check.
Only the run is timed, and nothing but the runs takes a processor while they go on.
"""

import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self, cast

from bench.checking import Wrong
from bench.interrupting import spawn

ROOT = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class Run:
    """When a job ran, on the clock that all processes share, and what it took.

    `moments` are what the job noted on the way: `Publishers` when each message was sent,
    `Subscribers` when how many had come.
    """

    started_ns: int
    ended_ns: int
    cpu_s: float
    moments: list[tuple[int, int]] = field(default_factory=list)


class Job(Protocol):
    """What a load process does, as a publisher or a subscriber. Any step may raise `Wrong`."""

    role: ClassVar[str]  # "publishers" or "subscribers"

    def prepare(self) -> object:
        """Make everything ready for the run; what is returned goes to the parent."""

    def run(self) -> list[tuple[int, int]]:
        """Do what is measured."""

    def check(self) -> object:
        """Check what the run has brought; what is returned goes to the parent."""


class LoadProcess:
    """A load process with its job, seen from the parent. The job is prepared on return."""

    def __init__(self, job: Job) -> None:
        self.role = job.role
        self._process = spawn(
            [sys.executable, "-m", "bench.child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            self._send(job)
            self.prepared = self._receive()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        """Let it run; `ended` waits until it has."""
        self._send("run")

    def ended(self) -> Run:
        return cast(Run, self._receive())

    def check(self) -> object:
        self._send("check")
        return self._receive()

    def close(self) -> None:
        """Stop it, whatever it is doing. Harmless when repeated."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, value: object) -> None:
        assert self._process.stdin is not None
        pickle.dump(value, self._process.stdin)
        self._process.stdin.flush()

    def _receive(self) -> object:
        assert self._process.stdout is not None
        try:
            answer = pickle.load(self._process.stdout)
        except EOFError:
            raise Wrong(f"the {self.role} process ended before its job did") from None
        if isinstance(answer, Wrong):
            raise answer
        return answer


def run_together(processes: Sequence[LoadProcess]) -> list[Run]:
    """Let all run, the last one last, and return when all have ended."""
    for process in processes:
        process.begin()
    return [process.ended() for process in processes]
