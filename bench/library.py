"""The client library as load: one publisher and one subscriber, as a program would write them."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import ClassVar

from bench.checking import Wrong, check_order
from bench.messages import texts
from bench.wire import PATIENCE_S, Address
from clients import Publisher, PubSubError, Subscriber


@dataclass
class LibraryPublisher:
    """A job: publish `each` messages with `publish_many`, and return when all are stored."""

    role: ClassVar[str] = "publishers"
    address: Address
    account: str
    topic: str
    each: int
    _runner: asyncio.Runner | None = field(default=None, init=False)
    _publisher: Publisher | None = field(default=None, init=False)
    _texts: list[str] = field(default_factory=list, init=False)

    def prepare(self) -> None:
        self._texts = [*texts(0, self.each)]
        self._runner = asyncio.Runner()
        self._publisher = Publisher(_text_of(self.address), self.account)
        self._runner.run(self._publisher.open())

    def run(self) -> list[tuple[int, int]]:
        assert self._runner is not None
        self._runner.run(_in_time(self._publish()))
        return []

    def check(self) -> None:
        """Check that the publisher waits for nothing any more."""
        assert self._runner is not None
        assert self._publisher is not None
        if self._publisher.waiting:
            raise Wrong(f"{self._publisher.waiting} messages are still on their way")
        self._runner.run(self._publisher.close())
        self._runner.close()

    async def _publish(self) -> None:
        assert self._publisher is not None
        stored = await self._publisher.publish_many(self.topic, self._texts)
        if stored != self.each:
            raise Wrong(f"{stored} of {self.each} messages are stored")


@dataclass
class LibrarySubscriber:
    """A job: take `each` messages one by one, which confirms each when the next is taken."""

    role: ClassVar[str] = "subscribers"
    address: Address
    account: str
    topic: str
    each: int
    _runner: asyncio.Runner | None = field(default=None, init=False)
    _subscriber: Subscriber | None = field(default=None, init=False)
    _texts: list[str] = field(default_factory=list, init=False)
    _seqs: list[int] = field(default_factory=list, init=False)

    def prepare(self) -> None:
        self._runner = asyncio.Runner()
        self._subscriber = Subscriber(_text_of(self.address), self.account)
        self._runner.run(self._subscriber.open())
        self._runner.run(self._subscriber.subscribe(self.topic))

    def run(self) -> list[tuple[int, int]]:
        assert self._runner is not None
        self._runner.run(_in_time(self._take()))
        return []

    def check(self) -> None:
        """Check that all came, and that the broker knows how far the program has come."""
        assert self._runner is not None
        check_order(self._texts, publishers=1, each=self.each)
        if self._seqs != [*range(1, self.each + 1)]:
            raise Wrong("the seqs are not 1, 2, 3, ...")
        self._runner.run(self._check_confirmed())
        self._runner.close()

    async def _take(self) -> None:
        assert self._subscriber is not None
        async for message in self._subscriber:
            self._texts.append(message.text)
            self._seqs.append(message.seq)
            if message.seq >= self.each:
                return

    async def _check_confirmed(self) -> None:
        assert self._subscriber is not None
        (before,) = await self._subscriber.subscriptions()
        if before.cursor != self.each - 1:  # the last is confirmed when another is asked for
            raise Wrong(f"{before.cursor} messages are confirmed, and {self.each} were taken")
        await self._subscriber.close()


async def _in_time(work: Coroutine[None, None, None]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await work
    except (TimeoutError, PubSubError) as error:
        raise Wrong(f"the library did not get through: {error!r}") from error


def _text_of(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
