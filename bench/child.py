"""The program of a load process: takes a job from standard input and does it step by step."""

import pickle
import sys
import time
from collections.abc import Callable
from typing import BinaryIO, cast

from bench.checking import Wrong
from bench.load import Job, Run


def main() -> None:
    source, target = sys.stdin.buffer, sys.stdout.buffer
    job = cast(Job, pickle.load(source))
    _answer(target, job.prepare)
    steps: dict[str, Callable[[], object]] = {"run": lambda: _timed(job), "check": job.check}
    while True:
        try:
            step = pickle.load(source)
        except EOFError:
            return  # the parent needs no more, or is gone
        _answer(target, steps[step])


def _timed(job: Job) -> Run:
    cpu, started = time.process_time(), time.monotonic_ns()
    moments = job.run()
    return Run(started, time.monotonic_ns(), time.process_time() - cpu, moments)


def _answer(target: BinaryIO, step: Callable[[], object]) -> None:
    """Say what `step` returns, or what it found wrong."""
    answer: object
    try:
        answer = step()
    except Wrong as wrong:
        answer = wrong
    except OSError as error:
        answer = Wrong(f"a connection failed: {error}")
    pickle.dump(answer, target)
    target.flush()


if __name__ == "__main__":
    main()
