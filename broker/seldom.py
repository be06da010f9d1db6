"""Log lines that strangers bring about: seldom enough that they cannot fill a disk with them."""

import asyncio
import logging

TOLD_EVERY_S = 1.0

_logger = logging.getLogger("pubsub.broker")


class Seldom:
    """Logs one line a second at most, and then how many were left out since the one before."""

    def __init__(self) -> None:
        self._next = 0.0
        self._left_out = 0

    def tell(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next:
            self._left_out += 1
            return
        more = f" (and {self._left_out} more like it)" if self._left_out else ""
        self._next, self._left_out = now + TOLD_EVERY_S, 0
        _logger.info("%s%s", text, more)
