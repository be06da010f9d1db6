"""Appending batches to the streams of their topics, and finding out about them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from broker.store.errors import BatchOutdated, StoreLost, StoreRefused
from broker.store.interface import Batch, Commit, NewBlock, ProducerMark
from broker.store.jetstream.marks import marks_of
from broker.store.jetstream.producers import Outdated, Producers
from broker.store.jetstream.record import Mark, Place, Preface, Record, now_us, when
from broker.store.jetstream.topic import TopicGone, TopicStream

MARKS_BYTES = 32 * 1024  # of marks that go into a block; more go into messages of their own
MOST_ADMITTED = 10_000  # sessions of producers remembered for a topic

Producer = tuple[int, str]


@dataclass(slots=True, eq=False)
class Part:
    """What a batch appends to one topic. `first_seqs` are those of the blocks that are stored.

    `tried` is the sequence at which the next block is stored, if it was when its answer was
    lost. `marks` go with each block; `producers` are all that may have published here.
    """

    topic_id: int
    blocks: list[NewBlock]
    producers: list[ProducerMark]
    marks: list[tuple[Mark, ...]]
    first_seqs: list[int] = field(default_factory=list)
    tried: int | None = None

    @property
    def done(self) -> bool:
        return len(self.first_seqs) == len(self.blocks)


@dataclass(slots=True, eq=False)
class Attempt:
    """A batch that is being stored."""

    batch: Batch
    time_us: int
    parts: dict[int, Part]

    @property
    def commit(self) -> Commit | None:
        """How it was stored, once all of it is."""
        if not all(part.done for part in self.parts.values()):
            return None
        seqs = {topic_id: iter(part.first_seqs) for topic_id, part in self.parts.items()}
        return Commit([next(seqs[one.topic_id]) for one in self.batch.blocks], when(self.time_us))


class Appender:
    """Stores one batch at a time, a block a message.

    JetStream has no transaction over several streams. What of a batch is stored when its
    publishers were told that this is not known stays so, and is delivered as another broker's
    messages are. Never is an answer given before all of it is stored.

    A producer's mark is stored in one message with its publishes: each block says which of
    them it holds, so that after a crash in between a repeat stores the others alone.
    """

    def __init__(
        self,
        stream_of: Callable[[int], TopicStream],
        topic_exists: Callable[[int], Awaitable[bool]],
        producers: Producers,
    ) -> None:
        self._stream_of = stream_of
        self._topic_exists = topic_exists
        self._producers = producers
        self._attempt: Attempt | None = None  # the newest, whatever became of it

    async def append(self, batch: Batch) -> Commit:
        attempt = self._begun(batch)
        try:
            await self._store(attempt)
        except (BatchOutdated, StoreRefused):
            self._producers.settled(batch.id)
            raise
        self._producers.settled(batch.id)
        commit = attempt.commit
        assert commit is not None
        return commit

    async def find(self, batch: Batch) -> Commit | None:
        attempt = self._attempt
        if attempt is None or attempt.batch.id != batch.id:
            return await self._search(batch)
        for part in attempt.parts.values():
            await self._settle(attempt, part)
        self._producers.settled(batch.id)
        return attempt.commit

    def _begun(self, batch: Batch) -> Attempt:
        """Return the attempt to store `batch`, which goes on where the same one has ended."""
        last = self._attempt
        if last is None or last.batch.id != batch.id:
            self._attempt = _planned(batch)
            self._producers.appending(batch.id, batch.producers)
        assert self._attempt is not None
        return self._attempt

    async def _store(self, attempt: Attempt) -> None:
        parts = [*attempt.parts.values()]
        if len(parts) > 1 and not any(part.first_seqs for part in parts):
            # What is gone is known before anything is stored, as far as it can be.
            self._raise(attempt, await _together([self._look_at(one) for one in parts]))
        self._raise(attempt, await _together([self._append(attempt, part) for part in parts]))

    def _raise(self, attempt: Attempt, results: Sequence[BaseException | None]) -> None:
        """Raise what a batch has come to whose parts have come to `results`."""
        for kind in (StoreLost, StoreRefused):
            for result in results:
                if isinstance(result, kind):
                    raise result
        gone = [one for one in results if isinstance(one, BatchOutdated)]
        if gone:
            raise self._outdated(attempt, gone)
        for result in results:
            if result is not None:
                raise result

    def _outdated(
        self, attempt: Attempt, found: Sequence[BatchOutdated]
    ) -> BatchOutdated | StoreRefused:
        topics = frozenset[int]().union(*(one.topics for one in found))
        producers = frozenset[Producer]().union(*(one.producers for one in found))
        if any(part.first_seqs for part in attempt.parts.values()):
            return StoreRefused("only a part of it was stored, as something is gone meanwhile")
        return BatchOutdated(topics, producers)

    async def _append(self, attempt: Attempt, part: Part) -> None:
        """Append what of `part` is not stored yet."""
        stream = self._stream_of(part.topic_id)
        try:
            while not part.done:
                await stream.turn.wait()
                async with stream.writing:
                    await self._append_next(attempt, part, stream)
        except TopicGone:
            await self._tell_gone(part)

    async def _look_at(self, part: Part) -> None:
        """Find out whether `part` can be appended, as far as this broker knows."""
        stream = self._stream_of(part.topic_id)
        try:
            async with stream.writing:
                await self._admit(part, stream, await stream.place())
        except TopicGone:
            await self._tell_gone(part)

    async def _tell_gone(self, part: Part) -> NoReturn:
        if await self._topic_exists(part.topic_id):
            raise StoreLost(f"the stream of topic {part.topic_id} is missing") from None
        raise BatchOutdated(topics=frozenset({part.topic_id})) from None

    async def _append_next(self, attempt: Attempt, part: Part, stream: TopicStream) -> None:
        place = await stream.place()
        if part.tried is not None and part.tried <= place.sequence:
            await self._look_at_tried(attempt, part, stream)
            return
        await self._admit(part, stream, place)
        part.tried = place.sequence + 1
        block = part.blocks[len(part.first_seqs)]
        marks, left = _split(part.marks[len(part.first_seqs)])
        preface = Preface(tuple(block.publishers), marks)
        stood = await stream.add(block, preface, attempt.batch.id, attempt.time_us)
        if stood is None:
            # Or it was this very block: one that was sent before, or one that a leader took
            # while another, that does not know of it yet, did not. So its place is looked at.
            return
        part.tried = None
        self._took(part, stood.head + 1, stood.sequence + 1)
        await self._add_marks(left, stream)

    async def _look_at_tried(self, attempt: Attempt, part: Part, stream: TopicStream) -> None:
        """Find out whether the block whose answer was lost is stored: if so, it is there."""
        assert part.tried is not None
        if stream.is_not(attempt.batch.id, part.tried):
            part.tried = None
            return
        record = await stream.about(part.tried)
        if record is None:
            raise StoreRefused("what is asked about was taken out before it was known")
        part.tried = None
        if record.batch == attempt.batch.id:
            self._took(part, record.first_seq, record.place.sequence)

    def _took(self, part: Part, first_seq: int, sequence: int) -> None:
        """The next block is stored."""
        for mark in part.marks[len(part.first_seqs)]:
            self._producers.stored(mark, part.topic_id, sequence)
        part.first_seqs.append(first_seq)

    async def _add_marks(self, marks: tuple[Mark, ...], stream: TopicStream) -> None:
        """Write the marks that found no room: without them a repeat would be stored again."""
        while marks:
            some, left = _split(marks)
            if await stream.add(None, Preface(marks=some)) is not None:
                marks = left

    async def _admit(self, part: Part, stream: TopicStream, place: Place) -> None:
        """Make sure that all who published are of their producers' newest sessions."""
        outdated = set()
        if len(stream.admitted) > MOST_ADMITTED:
            stream.admitted.clear()
        for mark in part.producers:
            key = (mark.account_id, mark.producer)
            session = (*key, mark.epoch)
            if stream.fences.get(key, 0) > mark.epoch:
                outdated.add(key)
            elif session not in stream.admitted:
                try:
                    await self._producers.readmit(mark, part.topic_id, place.sequence)
                    stream.admitted.add(session)
                except Outdated:
                    outdated.add(key)
        if outdated:
            raise BatchOutdated(producers=frozenset(outdated))

    # finding out

    async def _settle(self, attempt: Attempt, part: Part) -> None:
        """Find out about the block whose answer was lost, for good."""
        stream = self._stream_of(part.topic_id)
        try:
            while part.tried is not None:
                async with stream.writing:
                    place = await stream.place()
                    if part.tried <= place.sequence:
                        await self._look_at_tried(attempt, part, stream)
                    else:  # what is at its place is not it: then it never can be
                        await stream.add(None, Preface())
        except (TopicGone, StoreRefused):
            part.tried = None

    async def _search(self, batch: Batch) -> Commit | None:
        """Look for a batch that is not the newest, from the heads on that it lies after."""
        attempt = _planned(batch)
        for part in attempt.parts.values():
            for record in await self._since(part.topic_id, batch.heads.get(part.topic_id, 0)):
                if record.batch == batch.id and not part.done:
                    part.first_seqs.append(record.first_seq)
                    attempt.time_us = record.time_us
        return attempt.commit

    async def _since(self, topic_id: int, head: int) -> list[Record]:
        found: list[Record] = []
        try:
            while some := await self._stream_of(topic_id).read(head + 1, 2**20):
                found += some
                head = some[-1].place.head
        except TopicGone:
            pass
        return found


def _planned(batch: Batch) -> Attempt:
    """Return how `batch` is to be stored: topic by topic, each block with its producers' marks."""
    marks = [
        tuple(mark for mark in some if mark is not None)
        for some in zip(*(marks_of(mark, batch.blocks) for mark in batch.producers), strict=True)
    ] or [()] * len(batch.blocks)
    parts: dict[int, Part] = {}
    for block, own in zip(batch.blocks, marks, strict=True):
        part = parts.setdefault(block.topic_id, Part(block.topic_id, [], [], []))
        part.blocks.append(block)
        part.marks.append(own)
    for part in parts.values():
        accounts = {account for block in part.blocks for account in block.publishers}
        named = {(mark.account, mark.producer) for some in part.marks for mark in some}
        part.producers = [
            mark
            for mark in batch.producers
            if mark.account_id in accounts or (mark.account_id, mark.producer) in named
        ]
    return Attempt(batch, now_us(), parts)


def _split(marks: tuple[Mark, ...]) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """Return as many of `marks` as have room in a message, one at least, and the others."""
    size = 0
    for place, mark in enumerate(marks):
        size += 64 + 6 * len(mark.producer) + 20 * len(mark.refused)
        if size > MARKS_BYTES and place:
            return marks[:place], marks[place:]
    return marks, ()


async def _together(tasks: Sequence[Coroutine[Any, Any, None]]) -> list[BaseException | None]:
    """Return what each has raised, or None."""
    if len(tasks) > 1:
        return await asyncio.gather(*tasks, return_exceptions=True)
    try:
        await tasks[0]  # without a task of its own
    except Exception as error:
        return [error]
    return [None]
