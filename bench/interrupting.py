"""Ctrl-C and SIGTERM: both end a measurement, and neither keeps it from cleaning up."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def undisturbed_end() -> Iterator[None]:
    """Let the first signal raise KeyboardInterrupt; from the end of the block on none is heard.

    What stands around the block then stops its processes and removes its files to the end,
    however often somebody presses Ctrl-C.
    """
    # Whoever started us in the background of a script may have had SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # By way of SIGINT, which an event loop that runs just then turns into a cancellation.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def heard_again() -> None:
    """Let both signals do what they usually do."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def spawn(command: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Start `command` in a session of its own: Ctrl-C is ours, and its owner ends it.

    A signal that comes meanwhile ends the process, and then takes effect: raised in the middle
    of starting, it would leave a process that nobody knows.
    """
    heard: list[int] = []
    # Handlers, for they end with the program that calls exec. What is ignored or blocked
    # would stay so for the process that is started.
    before = {number: signal.signal(number, lambda n, _: heard.append(n)) for number in _SIGNALS}
    try:
        process = subprocess.Popen(command, start_new_session=True, **options)
        if heard:
            process.kill()
            process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])
    return process
