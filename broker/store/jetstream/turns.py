"""Taking turns: how brokers that append to the same topic do not starve each other.

Who has just appended knows where the topic stands, and can append again at once; who came too
late has to find out first, and comes too late again. So who comes too late says so, and whoever
hears that tells after each of its own appends where the topic stands now, and leaves a pause.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from broker.store.errors import StoreError
from broker.store.jetstream.record import Place

POLITE_S = 1.0  # for so long after somebody came too late
SAY_EVERY_S = 0.5
LONGEST_S = 0.1
SHARE = 1  # how many times as long as an append a pause is
SMOOTHING = 0.2


class Turn:
    """One topic's turns, as this broker takes them."""

    def __init__(self, say: Callable[[str], Awaitable[None]]) -> None:
        self._say = say
        self._told = Place(0, 0)  # where the topic stood when another broker told it last
        self._news = asyncio.Event()
        self._said_at = self._polite_until = self._appended_at = float("-inf")
        self._takes_s = 0.001  # an append

    async def appended(self, place: Place, began: float) -> None:
        """An append that began then has led to `place`."""
        self._appended_at = _now()
        self._takes_s += SMOOTHING * (self._appended_at - began - self._takes_s)
        if self._appended_at < self._polite_until:
            numbers = (place.sequence, place.head, place.total, place.fence, place.batch)
            await self._wish(" ".join(map(str, numbers)))

    async def told(self, sequence: int) -> Place | None:
        """Return where the topic stands at `sequence`, if its writer tells it soon."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._takes_s):
                while self._told.sequence < sequence:
                    self._news.clear()
                    await self._news.wait()
        return self.known(sequence)

    def known(self, sequence: int) -> Place | None:
        """Return where the topic stands at `sequence`, if its writer has told it."""
        return self._told if self._told.sequence == sequence else None

    async def came_too_late(self) -> None:
        """Somebody else has appended first: this broker's turn is next."""
        self._appended_at = float("-inf")
        if _now() - self._said_at > SAY_EVERY_S:
            self._said_at = _now()
            await self._wish("")

    def heard(self, numbers: list[int]) -> None:
        """Another broker came too late, or tells where the topic stands."""
        if not numbers:
            self._polite_until = _now() + POLITE_S
        elif len(numbers) == 5 and numbers[0] > self._told.sequence:
            self._told = Place(*numbers)
            self._news.set()

    async def _wish(self, text: str) -> None:
        with suppress(StoreError):  # nothing depends on it
            await self._say(text)

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
            turn = Turn(lambda text: self._tell(f"{self._name} {topic_id} {text}"))
            self._of[topic_id] = turn
        return turn

    def forget(self, topic_id: int) -> None:
        self._of.pop(topic_id, None)

    def heard(self, text: str | None) -> None:
        name, *parts = (text or "").split()[:8] or [""]
        if name == self._name or not all(part.isascii() and part.isdigit() for part in parts):
            return
        numbers = [int(part) for part in parts]
        turn = self._of.get(numbers[0]) if numbers else None
        if turn is not None:
            turn.heard(numbers[1:])


def _now() -> float:
    return asyncio.get_running_loop().time()
