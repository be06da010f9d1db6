"""Standard output, which carries data."""

import sys

from app.commands.faults import Failed


def write(data: bytes) -> None:
    """Write `data`; on return it has left this process.

    Raises:
        Failed: it cannot be written.
        BrokenPipeError: whoever read it has seen enough.
    """
    if sys.stdout is None:
        raise Failed("standard output is closed")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = None  # Python would complain once more when it flushes it at exit
        raise Failed(f"standard output cannot be written: {error.strerror}") from error
