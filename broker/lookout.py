"""Look at what may never answer, such as a disk behind a network that is gone, beside the loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

Seen = TypeVar("Seen")


class Lookout(Generic[Seen]):
    """Calls `look` in a thread, and waits for what it saw, but not for ever.

    At most one thread is out: while it is not back no other is sent, and what it brings is
    what the next to ask gets. A thread that never comes back keeps nobody from stopping.
    """

    def __init__(self, look: Callable[[], Seen]) -> None:
        self._look = look
        self._seen: asyncio.Future[Seen] | None = None

    async def seen(self, limit_s: float) -> Seen:
        """Return what `look` returns, or raise what it raises.

        Raises:
            TimeoutError: there was no answer within `limit_s`.
        """
        if self._seen is None:
            self._seen = self._sent()
        await asyncio.wait({self._seen}, timeout=limit_s)
        if not self._seen.done():
            raise TimeoutError(f"there was no answer for {limit_s:g} s")
        seen, self._seen = self._seen, None
        return seen.result()

    def _sent(self) -> "asyncio.Future[Seen]":
        seen: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        # Not a thread of the loop's own: those are waited for when the program ends.
        threading.Thread(target=self._go, args=[seen], name="lookout", daemon=True).start()
        return seen

    def _go(self, seen: "asyncio.Future[Seen]") -> None:
        try:
            settle = partial(seen.set_result, self._look())
        except Exception as error:
            settle = partial(_fail, seen, error)
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            seen.get_loop().call_soon_threadsafe(settle)


def _fail(seen: "asyncio.Future[Seen]", error: Exception) -> None:
    seen.set_exception(error)
    seen.exception()  # it may come when nobody asks any more, which is no fault
