"""What is said while a measurement runs: lines on standard error."""

import sys
import time

_began = time.monotonic()


def say(text: str) -> None:
    """Tell the person how far it is, with the seconds since the start."""
    print(f"{time.monotonic() - _began:6.1f} s  {text}", file=sys.stderr, flush=True)
