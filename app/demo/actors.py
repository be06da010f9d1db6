"""Who takes part: real clients, each behind a cable of its own that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from time import perf_counter

from app.demo.events import Audience, Event, Mark, Pane
from app.demo.outcome import Missed
from app.demo.relay import Relay
from clients import Message, Phase, Publisher, SessionEnded, State, Subscriber
from clients.backoff import Backoff

TOPIC = "GARDEN"
ANSWER_S = 20.0  # what takes longer is not coming
BACKOFF = Backoff(first_s=0.2, longest_s=1.0)  # an audience does not wait for long

_rows = count(1)


@dataclass(frozen=True, slots=True)
class Published:
    """A message that is on disk: its text, its seq if that was told, and how long it took."""

    text: str
    seq: int | None
    took_ms: float
    row: int


class Author:
    """The publisher."""

    pane = Pane.PUBLISHER

    def __init__(self, name: str, email: str, audience: Audience) -> None:
        self.name = name
        self.email = email
        self.relay = Relay()
        self.client: Publisher | None = None
        self._audience = audience

    @property
    def present(self) -> bool:
        return self.client is not None

    async def enter(self) -> None:
        """Sign in, if that is not so already."""
        if self.client is None:
            self.client = Publisher(
                f"127.0.0.1:{self.relay.port}",
                self.email,
                on_state=lambda state: self._audience.stands(self.name, state),
                backoff=BACKOFF,
            )
            await self.client.open()

    async def leave(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            await client.close()
            self._audience.stands(self.name, State(Phase.OFFLINE))

    async def publish(self, text: str) -> Published:
        """Publish a message; return when it is on disk."""
        (published,) = await self.publish_all([text], many=False)
        return published

    async def publish_all(self, texts: Sequence[str], *, many: bool = True) -> list[Published]:
        """Publish `texts` at once; return when all are on disk."""
        assert self.client is not None
        rows = [next(_rows) for _ in texts]
        for row, text in zip(rows, texts, strict=True):
            self._tell(Mark.SENT, text, row=row, many=many)
        began = perf_counter()
        sent = [self.client.send_soon(TOPIC, text) for text in texts]
        published = []
        async with expecting(f"{len(texts)} messages stored"):
            for row, text, publication in zip(rows, texts, sent, strict=True):
                receipt = await publication
                one = Published(text, receipt.seq, (perf_counter() - began) * 1000, row)
                self._tell_stored(one, resent=publication.resent, many=many)
                published.append(one)
        return published

    def _tell_stored(self, one: Published, *, resent: bool, many: bool) -> None:
        number = f"{one.seq}" if one.seq is not None else ""
        mark = Mark.RESENT if resent else Mark.STORED
        note = "stored once" if resent else f"{number}  {one.took_ms:.1f} ms"
        self._tell(mark, one.text, note, row=one.row, many=many)

    async def confirmed_by_all(self, one: Published) -> int:
        """Return how many subscriptions there are, once all have processed the message."""
        assert self.client is not None
        assert one.seq is not None
        async with expecting("the message confirmed by every subscription"):
            while True:
                found = await self.client.confirmations(TOPIC, one.seq)
                if found.confirmed == found.subscriptions:
                    break
                await asyncio.sleep(0.02)
        note = f"{one.seq}  {found.confirmed} of {found.subscriptions}"
        self._tell(Mark.CONFIRMED, one.text, note, row=one.row)
        return found.subscriptions

    def _tell(
        self, mark: Mark, text: str, note: str = "", *, row: int = 0, many: bool = False
    ) -> None:
        self._audience.told(Event(self.pane, self.name, mark, text, note, row, many))


class Reader:
    """A subscriber. `received` holds what has come since it was last cleared, in order."""

    pane = Pane.SUBSCRIBER

    def __init__(self, name: str, email: str, audience: Audience) -> None:
        self.name = name
        self.email = email
        self.relay = Relay()
        self.client: Subscriber | None = None
        self.received: list[Message] = []
        self.quiet = False  # what comes is one of many
        self.known = False  # the account is there
        self._audience = audience
        self._reading: asyncio.Task[None] | None = None
        self._came = asyncio.Event()

    @property
    def present(self) -> bool:
        return self.client is not None

    async def enter(self, *, create: bool = False) -> None:
        """Sign in, if that is not so already; messages come from now on."""
        if self.client is None:
            self.client = Subscriber(
                f"127.0.0.1:{self.relay.port}",
                self.email,
                create=create,
                on_state=lambda state: self._audience.stands(self.name, state),
                backoff=BACKOFF,
            )
            await self.client.open()
            self.known = True
            self._reading = asyncio.ensure_future(self._read(self.client))

    async def leave(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            await client.close()
            self._audience.stands(self.name, State(Phase.OFFLINE))
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def came(self, wanted: Sequence[str], *, unread: bool | None = None) -> list[Message]:
        """Return what has come, once it is as many as `wanted`, in that very order.

        Raises:
            Missed: other messages came, or too few in time.
        """
        with suppress(Missed):  # what there is tells what is missing
            await self.until(lambda: len(self.received) >= len(wanted), "")
        texts = [message.text for message in self.received]
        if texts != [*wanted]:
            raise Missed(_in_words(self.name, wanted), _in_words(self.name, texts))
        kinds = {message.unread for message in self.received}
        if unread is not None and wanted and kinds != {unread}:
            came = "marked unread" if unread is False else "not marked unread"
            raise Missed(f"all {'marked unread' if unread else 'live'}", f"some {came}")
        return self.received

    async def until(self, met: Callable[[], bool], what: str) -> None:
        """Return once `met()` holds for what has come; it is looked at when something comes.

        Raises:
            Missed: `what` did not come in time.
        """
        async with expecting(what):
            while not met():
                self._came.clear()
                await self._came.wait()

    async def _read(self, client: Subscriber) -> None:
        with suppress(SessionEnded):
            async for messages in client.blocks():
                for message in messages:
                    self.received.append(message)
                    self._tell(message)
                self._came.set()

    def _tell(self, message: Message) -> None:
        mark = Mark.UNREAD if message.unread else Mark.LIVE
        topic = "" if message.topic == TOPIC else f"{message.topic} "
        note = f"{topic}{message.seq}"
        self._audience.told(Event(self.pane, self.name, mark, message.text, note, many=self.quiet))


@asynccontextmanager
async def expecting(what: str, within_s: float = ANSWER_S) -> AsyncIterator[None]:
    """Wait for what the block waits for, but not for ever."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise Missed(what, f"not within {within_s:g} s") from None


def _in_words(who: str, texts: Sequence[str]) -> str:
    if not texts:
        return f"nothing for {who}"
    if len(texts) <= 6:
        return f"{who}: " + ", ".join(map(repr, texts))
    return f"{who}: {len(texts):,} messages, {texts[0]!r} to {texts[-1]!r}"
