"""Copy one store into another, so that it can be broken off anywhere and begun again.

The order is what makes that safe. First it is made sure that the target holds nothing but the
beginning of the same copy. Then come accounts, topics and messages, and what points at messages
last: a cursor is never ahead of what is there. In the end all that was copied is read again, from
both sides.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from broker.store.comparing import Digest, Keyed, side_by_side
from broker.store.copying import (
    CHUNK_ROWS,
    CopiedTopic,
    Copyable,
    TopicBlocks,
    blocks_between,
    gathered,
)

NAMED = 3  # differences that are told one by one

K = TypeVar("K", bound=Keyed)
E = TypeVar("E")
T = TypeVar("T")


class Stage(StrEnum):
    """What is being done, in the order of doing."""

    CHECKING = "comparing what is there"
    COPYING = "copying"
    COMPARING = "comparing both sides"


class Progress(Protocol):
    """Told what is done. Nothing waits for it, so it returns soon."""

    def begin(self, stage: Stage, messages: int) -> None:
        """A stage begins, of so many messages."""

    def advance(self, messages: int, size: int) -> None:
        """So many more are done, with bodies of so many bytes."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What both sides hold in the end."""

    accounts: int
    topics: int
    messages: int
    subscriptions: int
    producers: int


class Refused(Exception):
    """The target holds something else than an unfinished copy of the source: nothing was changed.

    The text says what, and what to do.
    """


class Different(Exception):
    """All is copied, and the two sides are not the same. The text says what differs."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Messages of a topic, after `after` up to `until`."""

    topic: str
    after: int
    until: int

    @property
    def count(self) -> int:
        return max(self.until - self.after, 0)


class Copier:
    """One run, from `source` to `target`, which are both open and stay so."""

    def __init__(self, source: Copyable, target: Copyable, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._topics: list[CopiedTopic] = []  # of the source
        self._there: dict[str, CopiedTopic] = {}  # of the target, before anything is changed

    async def run(self) -> Summary:
        """Copy what the target lacks, and compare. A cancel leaves what is copied.

        Raises:
            Refused: nothing has been changed.
            Torn: the source lacks messages.
            Different: the copy is not what it should be.
            StoreError: a side did not do what it was asked; begin again.
        """
        self._topics = await self._source.topics()
        self._there = {topic.name: topic for topic in await self._target.topics()}
        await self._refuse_others()
        await self._copy()
        summary = await self._compare()
        await self._source.check_alone()
        await self._target.check_alone()
        return summary

    # before anything is changed

    async def _refuse_others(self) -> None:
        if await self._target.has_been_used():
            raise self._refusal("somebody has signed in to it")
        await self._refuse_accounts()
        await self._refuse_producers()
        self._refuse_topics()
        kept = [span for span in map(self._kept, self._topics) if span.count]
        different = await self._differences(Stage.CHECKING, kept)
        if different:
            raise self._refusal(f"they differ in {different}")

    async def _refuse_accounts(self) -> None:
        pairs = side_by_side(self._source.accounts(), self._target.accounts())
        async with aclosing(pairs):
            async for wanted, found in pairs:
                if found is not None and wanted is None:
                    raise self._refusal(f"it has the account {found.email!r}, the other has not")
                if found is not None and wanted is not None and found.role != wanted.role:
                    raise self._refusal(f"its account {found.email!r} is a {found.role}")

    async def _refuse_producers(self) -> None:
        pairs = side_by_side(self._source.producers(), self._target.producers())
        async with aclosing(pairs):
            async for wanted, found in pairs:
                if found is not None and wanted is None:
                    raise self._refusal(
                        f"it has the producer {found.producer!r} of {found.email!r}, the other"
                        " has not"
                    )

    def _refuse_topics(self) -> None:
        wanted = {topic.name: topic for topic in self._topics}
        for name, found in self._there.items():
            source = wanted.get(name)
            if source is None:
                raise self._refusal(f"it has the topic {name!r}, the other has not")
            if source.created_at != found.created_at:
                raise self._refusal(f"its topic {name!r} is another one of that name")
            if found.head > source.head or found.tail > source.tail:
                raise self._refusal(f"its topic {name!r} has come further than the other's")

    def _refusal(self, because: str) -> Refused:
        return Refused(
            f"{self._target} holds something else than an unfinished copy of {self._source}:"
            f" {because}. Nothing was changed; copy to an empty store, or empty this one first"
        )

    # copying

    async def _copy(self) -> None:
        source, target = self._source, self._target
        await self._put_different(source.accounts, target.accounts, target.put_accounts)
        topics = _Chunks(target.put_topics)
        for topic in filter(self._lacks, self._topics):
            await topics.add(topic)
        await topics.end()
        await self._copy_messages()
        await self._put_different(
            source.subscriptions,
            target.subscriptions,
            target.put_subscriptions,
            target.drop_subscriptions,
        )
        await self._put_different(source.producers, target.producers, target.put_producers)

    def _lacks(self, topic: CopiedTopic) -> bool:
        found = self._there.get(topic.name)
        return found is None or (found.creator, found.tail) != (topic.creator, topic.tail)

    async def _put_different(
        self,
        wanted: Callable[[], AsyncGenerator[Sequence[K], None]],
        found: Callable[[], AsyncGenerator[Sequence[K], None]],
        put: Callable[[Sequence[K]], Awaitable[None]],
        drop: Callable[[Sequence[K]], Awaitable[None]] | None = None,
    ) -> None:
        """Put what is not the same in the target, and drop what only the target has."""
        putting, dropping = _Chunks(put), _Chunks(drop)
        async with aclosing(side_by_side(wanted(), found())) as pairs:
            async for entry, there in pairs:
                if entry is not None and entry != there:
                    await putting.add(entry)
                elif entry is None and there is not None:
                    await dropping.add(there)
        await putting.end()
        await dropping.end()

    async def _copy_messages(self) -> None:
        missing = [span for span in map(self._missing, self._topics) if span.count]
        self._progress.begin(Stage.COPYING, _total(missing))
        async with aclosing(_ahead(gathered(_parts(self._source, missing)))) as chunks:
            async for chunk in chunks:
                await self._target.put_blocks(chunk)
                count, size = sum(one.count for one in chunk), sum(one.size for one in chunk)
                self._progress.advance(count, size)

    def _kept(self, topic: CopiedTopic) -> _Span:
        """Return the messages that both sides have before anything is copied."""
        found = self._there.get(topic.name)
        return _Span(topic.name, topic.tail, found.head if found else 0)

    def _missing(self, topic: CopiedTopic) -> _Span:
        return _Span(topic.name, max(topic.tail, self._kept(topic).until), topic.head)

    # comparing

    async def _compare(self) -> Summary:
        """Compare all of the catalogue, and the messages that were not compared before."""
        missing = [span for span in map(self._missing, self._topics) if span.count]
        different = await self._differences(Stage.COMPARING, missing)
        for name in self._different_topics(await self._target.topics()):
            different.add(f"the topic {name!r}")
        source, target = self._source, self._target
        summary = Summary(
            await _count_same("account", source.accounts(), target.accounts(), different),
            len(self._topics),
            sum(topic.head - topic.tail for topic in self._topics),
            await _count_same(
                "subscription", source.subscriptions(), target.subscriptions(), different
            ),
            await _count_same("producer", source.producers(), target.producers(), different),
        )
        if different:
            raise Different(
                f"{target} is not the same as {source}: {different}. Do not use it; empty"
                " it, and copy again"
            )
        return summary

    def _different_topics(self, found: Sequence[CopiedTopic]) -> list[str]:
        there = {topic.name: topic for topic in found}
        wanted = {topic.name: topic for topic in self._topics}
        return [
            name
            for name in sorted(there.keys() | wanted.keys())
            if there.get(name) != wanted.get(name)
        ]

    async def _differences(self, stage: Stage, spans: Sequence[_Span]) -> "_Differences":
        """Read the messages from both sides, and say in which topics they are not the same."""
        self._progress.begin(stage, _total(spans))
        different = _Differences()
        for span in spans:
            wanted, found = await _together(
                _digest(self._source, span, None), _digest(self._target, span, self._progress)
            )
            if parts := wanted.differences(found):
                different.add(f"the {' and '.join(parts)} in topic {span.topic!r}")
        return different


class _Differences:
    """What is not the same, in words: the first few of it, and how much more."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self._count = 0

    def add(self, what: str) -> None:
        self._count += 1
        if self._count <= NAMED:
            self._named.append(what)

    def __bool__(self) -> bool:
        return self._count > 0

    def __str__(self) -> str:
        more = self._count - len(self._named)
        return ", ".join(self._named) + (f" and {more:,} more" if more else "")


class _Chunks(Generic[E]):
    """Hands over what is added a chunk at a time."""

    def __init__(self, hand_over: Callable[[Sequence[E]], Awaitable[None]] | None) -> None:
        self._hand_over = hand_over
        self._entries: list[E] = []

    async def add(self, entry: E) -> None:
        self._entries.append(entry)
        if len(self._entries) >= CHUNK_ROWS:
            await self.end()

    async def end(self) -> None:
        entries, self._entries = self._entries, []
        if entries and self._hand_over is not None:
            await self._hand_over(entries)


async def _count_same(
    name: str,
    wanted: AsyncGenerator[Sequence[K], None],
    found: AsyncGenerator[Sequence[K], None],
    different: _Differences,
) -> int:
    """Return how many there are, and add those to `different` that are not the same."""
    count = 0
    async with aclosing(side_by_side(wanted, found)) as pairs:
        async for entry, there in pairs:
            count += entry is not None
            if entry != there and (one := entry or there) is not None:
                different.add(f"the {name} {' '.join(map(repr, one.key))}")
    return count


async def _parts(store: Copyable, spans: Sequence[_Span]) -> AsyncGenerator[TopicBlocks, None]:
    for span in spans:
        async with aclosing(blocks_between(store, span.topic, span.after, span.until)) as parts:
            async for part in parts:
                yield part


async def _digest(store: Copyable, span: _Span, progress: Progress | None) -> Digest:
    digest = Digest()
    async with aclosing(_parts(store, [span])) as parts:
        async for part in parts:
            digest.add(part.blocks)
            if progress is not None:
                progress.advance(part.count, part.size)
    return digest


async def _ahead(chunks: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield the chunks, while the next one is already being read."""
    async with aclosing(chunks):
        coming = asyncio.ensure_future(_next(chunks))
        try:
            while (chunk := await coming) is not None:
                coming = asyncio.ensure_future(_next(chunks))
                yield chunk
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(chunks: AsyncGenerator[T, None]) -> T | None:
    async for chunk in chunks:
        return chunk
    return None


async def _together(*works: Coroutine[None, None, T]) -> list[T]:
    """Do all of it at once; where one fails, the others end before that is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _total(spans: Sequence[_Span]) -> int:
    return sum(span.count for span in spans)
