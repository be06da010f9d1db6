"""Taking turns: how brokers that append to the same topic do not starve each other.

Who has just appended knows where the topic stands, and can append again at once; who came too
late has to find out first, and comes too late again. So who comes too late says so, and whoever
hears that leaves a pause after each of its own appends, as long as an append and a look take.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from broker.store.errors import StoreError

POLITE_S = 1.0  # for so long after somebody came too late
SAY_EVERY_S = 0.5
LONGEST_S = 0.1
SHARE = 3  # how many times as long as an append a pause is
SMOOTHING = 0.2


class Turn:
    """One topic's turns, as this broker takes them."""

    def __init__(self, say: Callable[[], Awaitable[None]]) -> None:
        self._say = say
        self._said_at = self._polite_until = self._appended_at = float("-inf")
        self._takes_s = 0.001  # an append

    def appended(self, began: float) -> None:
        """An append that began then has been the newest."""
        self._appended_at = _now()
        self._takes_s += SMOOTHING * (self._appended_at - began - self._takes_s)

    async def came_too_late(self) -> None:
        """Somebody else has appended first: this broker's turn is next."""
        self._appended_at = float("-inf")
        if _now() - self._said_at > SAY_EVERY_S:
            self._said_at = _now()
            try:
                await self._say()
            except StoreError:
                return  # it is a wish, no more

    def heard(self) -> None:
        """Another broker came too late."""
        self._polite_until = _now() + POLITE_S

    async def wait(self) -> None:
        """Return when it would not be rude to append."""
        if _now() < self._polite_until:
            pause_s = min(SHARE * self._takes_s, LONGEST_S)
            await asyncio.sleep(max(self._appended_at + pause_s - _now(), 0.0))


class Turns:
    """What is said and heard about turns, for all topics."""

    def __init__(self, tell: Callable[[str], Awaitable[None]]) -> None:
        self._tell = tell
        self._name = secrets.token_hex(8)
        self._of: dict[int, Turn] = {}

    def of(self, topic_id: int) -> Turn:
        turn = self._of.get(topic_id)
        if turn is None:
            turn = self._of[topic_id] = Turn(lambda: self._tell(f"{self._name} {topic_id}"))
        return turn

    def forget(self, topic_id: int) -> None:
        self._of.pop(topic_id, None)

    def heard(self, text: str | None) -> None:
        name, _, number = (text or "").partition(" ")
        if name != self._name and number.isascii() and number.isdigit():
            turn = self._of.get(int(number))
            if turn is not None:
                turn.heard()


def _now() -> float:
    return asyncio.get_running_loop().time()
