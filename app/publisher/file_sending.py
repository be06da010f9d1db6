"""Sending a file's messages: in order, as fast as they are stored or at a rate, with pauses."""

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Protocol

from app.publisher.file_messages import FileFault, Mode, Piece, pieces
from app.screens.words import count_of
from clients import RequestRefused, SessionEnded, TopicNotFound
from clients.outbox import Publication

SLICE = 256  # messages that are read, and handed over, at a time
UNDER_WAY = 2_048  # messages without an answer, at most about
KEPT_FAILURES = 1_000


class Sender(Protocol):
    async def send(self, topic: str, text: str) -> Publication: ...


class Progress(StrEnum):
    SENDING = "sending"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"
    BROKEN = "broken off"


@dataclass(frozen=True, slots=True)
class FileOrder:
    """What to send: the messages of a file, to a topic, at most `rate` a second (0: any)."""

    path: Path
    mode: Mode
    topic: str
    rate: float = 0.0
    count: int | None = None  # messages there are, where that is known


class FileSending:
    """The messages of a file on their way; `stored` and `failed` count what has become of them.

    One that is refused, or is no message at all, is counted and the next one goes on, unless
    the next could not fare better: where the topic is missing or the session has ended, it is
    broken off and `why` says so.
    """

    def __init__(
        self, sender: Sender, order: FileOrder, limit: int, *, told: Callable[[], None]
    ) -> None:
        self.order = order
        self.progress = Progress.SENDING
        self.stored = 0
        self.failed = 0
        self.failures: list[Piece] = []  # the first ones, with why
        self.last_seq: int | None = None
        self.why = ""
        self._sender = sender
        self._limit = limit
        self._told = told
        self._under_way: deque[list[tuple[Piece, Publication]]] = deque()
        self._waiting = 0
        self._go = asyncio.Event()
        self._go.set()
        self._stop = asyncio.Event()

    @property
    def over(self) -> bool:
        return self.progress not in (Progress.SENDING, Progress.PAUSED)

    @property
    def left(self) -> int:
        """Messages that are neither stored nor failed; 1 where their number is not known."""
        if self.over:
            return 0
        return max((self.order.count or 0) - self.stored - self.failed, 1)

    def pause(self) -> None:
        """Hand nothing more over until it is resumed; what is under way is stored."""
        if not self.over:
            self._go.clear()
            self._be(Progress.PAUSED)

    def resume(self) -> None:
        if not self.over:
            self._be(Progress.SENDING)
            self._go.set()

    def cancel(self) -> None:
        """Hand nothing more over, ever; what is under way is stored."""
        self._stop.set()
        self._go.set()

    def in_words(self) -> str:
        """Return "9,990 stored, 10 failed" and how far that is."""
        done = self.progress is Progress.DONE
        of = "" if done or self.order.count is None else f" of {self.order.count:,}"
        parts = [f"{self.stored:,}{of} stored", f"{self.failed:,} failed" if self.failed else ""]
        parts += ["" if done else self.progress.value]
        words = ", ".join(part for part in parts if part)
        return f"{words}: {self.why}" if self.why else words

    async def run(self) -> None:
        """Send until the end of the file, or until it is cancelled. Raises nothing of a file's."""
        messages = pieces(self.order.path, self.order.mode, self._limit)
        try:
            ended = await self._send_all(messages)
            self._be(Progress.DONE if ended else Progress.CANCELLED)
        except (FileFault, SessionEnded, TopicNotFound) as error:
            self.why = str(error)
            await self._settle_all()
            self._be(Progress.BROKEN)
        finally:
            # Closing goes where the reading went: a generator runs in one thread at a time.
            await asyncio.shield(asyncio.to_thread(_close, messages))

    async def _send_all(self, messages: Iterator[Piece]) -> bool:
        """Return whether the end of the file was reached."""
        at_once = min(SLICE, max(int(self.order.rate / 10), 1)) if self.order.rate else SLICE
        while await self._may_go_on():
            part = await asyncio.to_thread(_some, messages, at_once)
            if not part:
                await self._settle(0)
                return True
            for piece in part:
                await self._send(piece)
            await self._settle(UNDER_WAY)
            self._told()
            await self._keep_pace(len(part))
        await self._settle(0)
        return False

    async def _may_go_on(self) -> bool:
        """Wait while it is paused; return whether it is not cancelled."""
        await self._go.wait()
        return not self._stop.is_set()

    async def _send(self, piece: Piece) -> None:
        if piece.fault is not None:
            self._fail([piece], piece.fault)
            return
        publication = await self._sender.send(self.order.topic, piece.text)
        newest = self._under_way[-1] if self._under_way else []
        if newest and publication.goes_with(newest[-1][1]):
            newest.append((piece, publication))
        else:
            self._under_way.append([(piece, publication)])
        self._waiting += 1

    async def _settle(self, most: int) -> None:
        """Wait until at most `most` messages are without an answer."""
        while self._under_way and (self._waiting > most or self._under_way[0][0][1].done):
            batch = self._under_way.popleft()
            self._waiting -= len(batch)
            try:
                receipt = await batch[-1][1]
            except RequestRefused as refused:
                self._fail([piece for piece, _ in batch], str(refused))
                if isinstance(refused, TopicNotFound):
                    raise
            except SessionEnded as ended:
                self._fail([piece for piece, _ in batch], str(ended))
                raise
            else:
                self.stored += len(batch)
                self.last_seq = receipt.seq
            self._told()

    async def _settle_all(self) -> None:
        """Hear of everything under way, whatever becomes of it."""
        while self._under_way:
            try:
                await self._settle(0)
            except (RequestRefused, SessionEnded):
                continue

    async def _keep_pace(self, messages: int) -> None:
        """Wait as long as so many messages take, but not when cancelled."""
        if self.order.rate:
            pause_s = messages / self.order.rate
            try:
                async with asyncio.timeout(pause_s):
                    await self._stop.wait()
            except TimeoutError:
                return

    def _fail(self, some: list[Piece], why: str) -> None:
        self.failed += len(some)
        room = KEPT_FAILURES - len(self.failures)
        self.failures += [Piece(one.number, one.data, one.text, why) for one in some[:room]]

    def _be(self, progress: Progress) -> None:
        self.progress = progress
        self._told()


def what(order: FileOrder) -> str:
    """Return what is sent, in words: "orders.txt, 3 messages"."""
    count = "" if order.count is None else f", {count_of(order.count, 'message')}"
    return f"{order.path.name}{count}"


def _some(messages: Iterator[Piece], number: int) -> list[Piece]:
    return [*islice(messages, number)]


def _close(messages: Generator[Piece, None, None]) -> None:
    # One that is being read at this moment cannot be closed; it is when its reader lets go.
    with suppress(ValueError):
        messages.close()
