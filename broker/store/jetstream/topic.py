"""One topic's stream: where it stands, what it holds, and adding to it.

What is added names the newest message that its writer knows of (`Nats-Expected-Last-Sequence`).
The server takes it only where that is so, which makes seqs gap-free with any number of
brokers, and makes what was sent and never answered harmless: it can be stored at one sequence
alone, and is looked for there.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from broker.store.errors import StoreLost, StoreRefused
from broker.store.interface import NewBlock
from broker.store.jetstream.faults import NobodyAnswers
from broker.store.jetstream.placing import Places
from broker.store.jetstream.record import (
    Fence,
    Place,
    Preface,
    Record,
    after,
    now_us,
    read,
    remembered,
    written,
)
from broker.store.jetstream.streams import Streams, WrongLast
from broker.store.jetstream.turns import Turn

MOST_BLOCKS = 1_000  # given by one read
MOST_AT_ONCE = 64  # messages asked for together


class TopicGone(Exception):
    """The topic's stream is not there."""


@dataclass(frozen=True, slots=True)
class Names:
    """How the streams of an installation's topics are called."""

    prefix: str

    def stream(self, topic_id: int) -> str:
        return f"{self.prefix}_topic_{topic_id}"

    def subject(self, topic_id: int | str) -> str:
        return f"{self.prefix}.topic.{topic_id}"

    def topic_id(self, stream: str) -> int | None:
        """Return the topic whose stream is called so, None where it is none of ours."""
        number = stream.removeprefix(f"{self.prefix}_topic_")
        return int(number) if number.isascii() and number.isdigit() else None

    def config(self, topic_id: int, replicas: int) -> dict[str, Any]:
        """Return how the stream of a topic is made: nothing in it goes by itself."""
        return {
            "name": self.stream(topic_id),
            "subjects": [self.subject(topic_id)],
            "description": "pubsub-suite",
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "num_replicas": replicas,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_age": 0,
            "max_msgs_per_subject": -1,
            "max_msg_size": -1,
            "max_consumers": -1,
            "deny_delete": True,
            "allow_direct": True,
        }


class TopicStream:
    """The stream of one topic, as this broker knows it."""

    def __init__(self, streams: Streams, names: Names, topic_id: int, turn: Turn) -> None:
        self._streams = streams
        self.turn = turn
        self._name = names.stream(topic_id)
        self._subject = names.subject(topic_id)
        self._place: Place | None = None  # where it stands, unless it is to be found out
        self._last: int | None = None  # the newest sequence, where a server has told it meanwhile
        self._stored = 0  # the newest sequence that is known to be stored
        self._newest: Record | None = None  # the newest record, as it was last looked at
        self._oldest: Record | None = None
        self._places = Places()
        self.writing = asyncio.Lock()  # held from finding out where it stands to the answer
        self.fences: dict[tuple[int, str], int] = {}  # epochs, by account and producer
        self.admitted: set[tuple[int, str, int]] = set()  # producers' sessions that may publish
        self._fence: int | None = None  # the newest one in `fences`; None: none is known

    # adding

    async def begin(self, head: int = 0, time_us: int | None = None) -> None:
        """Write the first message of a stream that has just been made, and stands at `head`.

        It is not known everywhere yet, so nobody may answer at first.
        """
        place = Place(0, head)
        then = after(place, None, secrets.randbits(62))
        headers, payload = written(place, then, time_us or now_us(), Preface(), b"")
        with suppress(WrongLast):  # it has begun already
            await self._streams.write_patiently(self._subject, payload, headers)

    async def place(self) -> Place:
        """Return where the topic stands; what fences have come is known then.

        Raises:
            TopicGone: there is no such stream.
            StoreLost: its leader does not answer, or is one that does not know of the next yet.
        """
        if self._place is None:
            last, self._last = self._last, None
            if last is None:
                _, last = await self._range()
            if last < self._stored:
                raise StoreLost("an answer that is out of date")
            place = await self.turn.told(last) or await self._place_at(last)
            await self._learn_fences(place)
            self._place, self._stored = place, last
        return self._place

    async def _place_at(self, sequence: int) -> Place:
        newest = await self._same(self._newest, sequence)
        if newest is None:
            raise StoreLost("the stream's newest message is not to be had")
        self._newest = remembered(newest)
        return newest.place

    def is_not(self, batch: int, sequence: int) -> bool:
        """Whether it is known already that `sequence` is of another batch."""
        told = self.turn.known(sequence)
        return told is not None and told.batch != batch

    async def add(
        self,
        block: NewBlock | None,
        preface: Preface,
        batch: int | None = None,
        time_us: int | None = None,
    ) -> Place | None:
        """Write a block, or what holds no messages, and return where the topic stood before.

        None: something has come first, and `place` tells where the topic stands now. Mostly it
        is somebody else's. Called with `writing` held.

        Raises:
            StoreLost: it is stored at the sequence after `place`'s, or will be, or never.
            TopicGone: there is no such stream.
        """
        place = await self.place()
        number = secrets.randbits(62) if batch is None else batch
        then = after(place, block, number, fence=preface.fence is not None)
        bodies = b"" if block is None else block.bodies
        headers, payload = written(place, then, time_us or now_us(), preface, bodies)
        self._place = None  # until there is an answer
        began = asyncio.get_running_loop().time()
        try:
            sequence = await self._streams.write(self._subject, payload, headers)
        except WrongLast as error:
            # A leader that does not know of the next one yet names one that is long over.
            self._last = error.last if error.last and error.last > place.sequence else None
            await self.turn.came_too_late()
            return None
        except NobodyAnswers:
            if await self._streams.look(self._name) is None:
                raise TopicGone from None
            raise
        if sequence != then.sequence:
            raise StoreRefused(f"the stream {self._name} does not count its messages one by one")
        self._place, self._stored = then, sequence
        self._places.add(sequence, then.head)
        await self.turn.appended(then, began)
        return place

    async def add_all(self, blocks: Sequence[tuple[NewBlock, int, int]]) -> None:
        """Write blocks, each with its batch and time, without waiting for one after the other.

        Only for whoever is alone. Were somebody else to write meanwhile, a block might be stored
        without the one before it; this is told then.
        """
        async with self.writing:
            place = await self.place()
            writes = []
            for block, batch, time_us in blocks:
                then = after(place, block, batch)
                preface = Preface(tuple(block.publishers))
                writes.append(self._write_alone(place, then, time_us, preface, block.bodies))
                place = then
            self._place = None  # until there are answers
            for result in await asyncio.gather(*writes, return_exceptions=True):
                if result is not None:
                    raise result
            self._place = place

    async def stand(self, head: int, time_us: int) -> int:
        """Write that the topic stands at `head`, or further; return the sequence of that.

        Only for whoever is alone.
        """
        async with self.writing:
            place = await self.place()
            place = replace(place, head=max(place.head, head))
            then = after(place, None, secrets.randbits(62))
            self._place = None
            await self._write_alone(place, then, time_us, Preface(), b"")
            self._place = then
            return then.sequence

    async def _write_alone(
        self, place: Place, then: Place, time_us: int, preface: Preface, bodies: bytes
    ) -> None:
        headers, payload = written(place, then, time_us, preface, bodies)
        try:
            await self._streams.write(self._subject, payload, headers)
        except WrongLast as error:
            raise StoreRefused(f"somebody else writes to the stream {self._name}") from error
        self._stored = max(self._stored, then.sequence)
        self._places.add(then.sequence, then.head)

    async def fence(self, account: int, producer: str, epoch: int) -> int:
        """Write a fence against the producer's sessions before `epoch`; return its sequence."""
        while True:
            async with self.writing:
                place = await self.place()
                fence = Fence(account, producer, epoch, place.fence)
                written = await self.add(None, Preface(fence=fence))
                if written is not None:
                    self._note(fence)
                    self._fence = place.sequence + 1
                    return self._fence

    # fences

    async def _learn_fences(self, place: Place) -> None:
        """Read the fences up to `place` that are not known yet, each of which names the last.

        Where not all can be read, nobody is admitted any more: who publishes has to ask again.
        """
        sequence, known = place.fence, self._fence
        while sequence > (known or 0):
            record = None if known is None else await self.at(sequence)
            if record is None:
                self.admitted.clear()
                break
            fence = record.preface.fence
            if fence is None:
                raise StoreRefused(f"message {sequence} of the stream {self._name} is no fence")
            self._note(fence)
            sequence = fence.previous
        self._fence = place.fence

    def _note(self, fence: Fence) -> None:
        key = (fence.account, fence.producer)
        self.fences[key] = max(self.fences.get(key, 0), fence.epoch)

    # reading

    async def state(self) -> tuple[int, int]:
        """Return the topic's tail and head."""
        oldest, newest = await self.ends()
        return oldest.first_seq - 1, newest.place.head

    async def ends(self) -> tuple[Record, Record]:
        """Return the oldest and the newest record there are."""
        while True:
            first, last = await self._range()
            oldest = await self._same(self._oldest, first)
            newest = await self._same(self._newest, last)
            if newest is None:
                raise StoreLost("the stream's newest message is not to be had")
            if oldest is not None:  # else it has been taken out a moment ago
                self._oldest, self._newest = remembered(oldest), remembered(newest)
                return oldest, newest

    async def read(self, seq: int, limit_bytes: int, head: int = 0) -> list[Record]:
        """Return the block that holds `seq` and those after it, as `Store.read` does.

        A server that led once, and does not know yet that it does so no more, tells of a stream
        that ends too early: then nothing is told of what it lacks.
        """
        oldest, newest = await self.ends()
        if newest.place.head < head:
            raise StoreLost("a server of NATS does not have yet what has been stored")
        if seq > newest.place.head:
            return []
        start = await self.seek(seq, oldest, newest)
        return await self._read_on(start, newest, limit_bytes)

    async def between(self, start: int, end: int) -> AsyncIterator[Record]:
        """Yield the records from the sequence `start` on, up to, not including, `end`."""
        _, newest = await self.ends()
        while start < end:
            count = min(MOST_AT_ONCE, end - start)
            for record in await self._some(start, count, newest):
                if record is not None:
                    yield record
            start += count

    async def seek(self, seq: int, oldest: Record, newest: Record) -> int:
        """Return the sequence of the block that holds `seq`, or of what comes after it."""
        low, high = oldest.place.sequence, newest.place.sequence + 1
        low, high = self._places.around(seq, low, high)
        return await self.first(lambda record: record.place.head >= seq, low, high)

    async def first(self, wanted: Callable[[Record], bool], low: int, high: int) -> int:
        """Return the first sequence from `low` on whose record is `wanted`, `high` where none is.

        All after one that is wanted are wanted too.
        """
        middle = low  # what follows the last one read is mostly what is looked for
        while low < high:
            record = await self.at(middle)
            if record is None or not wanted(record):
                low = middle + 1
            else:
                high = middle
            middle = (low + high) // 2
        return low

    async def at(self, sequence: int) -> Record | None:
        """Return the record at `sequence` as the leader has it; None where it was taken out."""
        known = self._newest
        if known is not None and known.place.sequence == sequence and known.bodies is not None:
            return known
        message = await self._streams.get(self._name, seq=sequence)
        if message is not None:
            record = read(message)
            self._places.add(sequence, record.place.head)
            return record
        first, _ = await self._range()
        if sequence >= first:  # said by one who was the leader, and does not know better yet
            raise StoreLost(f"message {sequence} of the stream {self._name} is not to be had")
        return None

    async def about(self, sequence: int) -> Record | None:
        """Return the same, perhaps without its bodies."""
        return await self._same(self._newest, sequence)

    async def _read_on(self, start: int, newest: Record, limit_bytes: int) -> list[Record]:
        """Return the blocks from the sequence `start` on, up to `newest` and the limit."""
        found: list[Record] = []
        together = 4
        while start <= newest.place.sequence and len(found) < MOST_BLOCKS:
            for record in await self._some(start, together, newest):
                if record is None:
                    if found:
                        return found  # a gap: the rest is for the next read
                    continue
                if record.count:
                    found.append(record)
                    limit_bytes -= record.size
                if limit_bytes <= 0:
                    return found
            start += together
            size = sum(record.size for record in found) // (len(found) or 1) + 1
            together = max(1, min(MOST_AT_ONCE, limit_bytes // size + 1))
        return found

    async def _some(self, start: int, count: int, newest: Record) -> list[Record | None]:
        """Return `count` records from the sequence `start` on, None for what was taken out.

        They come from any servers, of which one that was cut off from the others may have
        something else at a sequence. Each record names the one before, so that this is seen;
        then the leader is asked.
        """
        last = newest.place.sequence
        more = 1 if self._streams.replicated else 0  # it names the last one that is wanted
        asked = range(start, min(start + count + more, last + 1))
        records = await asyncio.gather(*(self._near(one, newest) for one in asked))
        if not _linked(records):
            records = await asyncio.gather(*map(self.at, asked))
        return records[: max(min(count, last + 1 - start), 0)]

    async def _near(self, sequence: int, newest: Record) -> Record | None:
        if sequence == newest.place.sequence:
            return newest if newest.bodies is not None else await self.at(sequence)
        message = await self._streams.get_near(self._name, sequence)
        if message is None:
            return await self.at(sequence)
        record = read(message)
        self._places.add(sequence, record.place.head)
        return record

    async def _range(self) -> tuple[int, int]:
        state = await self._streams.look(self._name)
        if state is None:
            raise TopicGone
        if state.first > state.last or not state.last:
            raise StoreRefused(f"the stream {self._name} was emptied behind our back")
        return state.first, state.last

    async def _same(self, known: Record | None, sequence: int) -> Record | None:
        if known is not None and known.place.sequence == sequence:
            return known
        return await self.at(sequence)


def _linked(records: Sequence[Record | None]) -> bool:
    """Whether each of `records` follows the one before it."""
    return all(
        one is None or other is None or other.previous == one.batch
        for one, other in pairwise(records)
    )
