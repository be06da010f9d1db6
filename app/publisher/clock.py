"""What time it is, so that a test can say so."""

import time
from datetime import datetime


class Clock:
    """`now` counts seconds and never goes back; `wall` is what hangs on the wall."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return datetime.now().astimezone()
