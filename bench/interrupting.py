"""Ctrl-C and SIGTERM: both end a measurement, and neither keeps it from cleaning up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

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
