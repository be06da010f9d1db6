"""How far producers have come, and which session of theirs counts.

What a producer's newest stored publish is lies in the topics' streams, with the messages. Its
record in a bucket names its session's epoch and the topics that this session has open: it
publishes nothing to others. So a session that begins changes the record, which keeps the older
one from opening more topics; writes a fence into each that it had open, behind which nothing
of the older one can come; and reads there what the record does not reflect yet. A producer
that is idle has its record brought up to date and its topics closed.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from broker.store.errors import StoreError
from broker.store.interface import ProducerMark
from broker.store.jetstream.bucket import Bucket
from broker.store.jetstream.marks import united
from broker.store.jetstream.record import Mark, Record
from broker.store.jetstream.topic import TopicGone, TopicStream

IDLE_S = 5.0
LOOK_S = 1.0  # how often idle ones are looked for
REFLECT_EVERY = 256  # of a stream's messages, at most so many are read when a session begins
NEVER = 2**62  # the epoch of an account that is deleted


class ProducerRecord(msgspec.Struct, frozen=True):
    """`topics` are those that are open, each with the sequence up to which this reflects it."""

    epoch: int
    last_id: int = 0
    refused: tuple[int, ...] = ()
    topics: dict[int, int] = {}


class Outdated(Exception):
    """A newer session of the producer has begun, or its account is gone."""


@dataclass(slots=True, eq=False)
class Held:
    """A producer that publishes through this broker. `revision` is None where it is not known."""

    revision: int | None
    record: ProducerRecord
    mark: Mark | None = None  # what those say that have been stored since
    stored_at: dict[int, int] = field(default_factory=dict)  # by topic, sequences of marks
    used_at: float = 0.0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


Key = tuple[int, str]


class Producers:
    """The records of all producers, and what this broker's own have stored since."""

    def __init__(
        self,
        bucket: Bucket[ProducerRecord],
        stream_of: Callable[[int], TopicStream],
        account_exists: Callable[[int], Awaitable[bool]],
    ) -> None:
        self._bucket = bucket
        self._stream_of = stream_of
        self._account_exists = account_exists
        self._held: dict[Key, Held] = {}
        self._appending: dict[int, list[Key]] = {}  # by batch

    # sessions

    async def begin(self, account: int, producer: str) -> ProducerMark | None:
        """Do what `Store.begin_producer` promises."""
        if not await self._account_exists(account):
            return None
        held = self._held.pop((account, producer), None)
        revision, record = await self._next_epoch(account, producer)
        if record is None:
            return None
        newest = Mark(account, producer, record.last_id, record.refused, record.epoch)
        if held is not None and held.mark is not None:
            newest = united(newest, held.mark)
        for topic_id, reflected in record.topics.items():
            newest = await self._fenced(topic_id, reflected, newest, record.epoch)
        closed = ProducerRecord(record.epoch, newest.last_id, newest.refused)
        await self._bucket.put(_key(account, producer), closed, revision)
        return ProducerMark(account, producer, closed.last_id, closed.refused, closed.epoch)

    async def _next_epoch(
        self, account: int, producer: str, epoch: int = 0
    ) -> tuple[int, ProducerRecord | None]:
        key = _key(account, producer)
        while True:
            found = await self._bucket.get(key)
            record = found.value or ProducerRecord(0)
            if record.epoch >= NEVER:
                return found.revision, None
            record = msgspec.structs.replace(record, epoch=epoch or record.epoch + 1)
            revision = await self._bucket.put(key, record, found.revision)
            if revision is not None:
                return revision, record

    async def _fenced(self, topic_id: int, reflected: int, newest: Mark, epoch: int) -> Mark:
        """Keep older sessions from the topic, and return the newest mark that lies in it."""
        stream = self._stream_of(topic_id)
        try:
            fence = await stream.fence(newest.account, newest.producer, epoch)
        except TopicGone:
            return newest
        async for record in stream.between(reflected + 1, fence):
            newest = newest_in(record, newest)
        return newest

    async def forget_account(self, account: int) -> None:
        """Let no session of the account's producers publish any more."""
        for key in await self._bucket.keys(f"{account}.*"):
            producer = _producer(key)
            self._held.pop((account, producer), None)
            _, record = await self._next_epoch(account, producer, NEVER)
            for topic_id in record.topics if record is not None else ():
                await self._fenced(topic_id, 2**62, Mark(account, producer, 0, (), 0), NEVER)

    # appending

    async def admit(self, mark: ProducerMark, topic_id: int, sequence: int) -> None:
        """Return once the producer's session has the topic open, which stands at `sequence`.

        Raises:
            Outdated: it has been taken over, or its account is gone.
        """
        key = (mark.account_id, mark.producer)
        while True:
            held = self._held.get(key) or await self._hold(key, mark)
            async with held.changing:
                if held is not self._held.get(key):
                    continue
                if held.record.epoch != mark.epoch:
                    raise Outdated
                if topic_id in held.record.topics:
                    return
                opened = {**held.record.topics, topic_id: sequence}
                if await self._put(key, held, msgspec.structs.replace(held.record, topics=opened)):
                    return

    async def readmit(self, mark: ProducerMark, topic_id: int, sequence: int) -> None:
        """Do the same where a newer session may have begun without a fence having been seen."""
        held = self._held.get((mark.account_id, mark.producer))
        if held is not None:
            held.revision = None
            async with held.changing:
                await self._find_revision((mark.account_id, mark.producer), held)
        await self.admit(mark, topic_id, sequence)

    def appending(self, batch: int, marks: Iterable[ProducerMark]) -> None:
        """An append of the batch begins; until it is settled its producers stay as they are."""
        self._appending[batch] = [(mark.account_id, mark.producer) for mark in marks]

    def settled(self, batch: int) -> None:
        """It is known what of the batch is stored, and nothing more of it will be."""
        self._appending.pop(batch, None)

    def stored(self, mark: Mark, topic_id: int, sequence: int) -> None:
        """The topic's message at `sequence` has carried `mark`."""
        held = self._held.get((mark.account, mark.producer))
        if held is not None and held.record.epoch == mark.epoch:
            held.mark = mark if held.mark is None else united(held.mark, mark)
            held.stored_at[topic_id] = sequence
            held.used_at = asyncio.get_running_loop().time()

    async def _hold(self, key: Key, mark: ProducerMark) -> Held:
        found = await self._bucket.get(_key(*key))
        if found.value is None:
            if mark.epoch or not await self._account_exists(key[0]):
                raise Outdated
            revision = await self._bucket.put(_key(*key), ProducerRecord(0), found.revision)
            if revision is None:
                return await self._hold(key, mark)
            held = Held(revision, ProducerRecord(0))
        else:
            held = Held(found.revision, found.value)
        held.used_at = asyncio.get_running_loop().time()
        return self._held.setdefault(key, held)

    async def _put(self, key: Key, held: Held, record: ProducerRecord) -> bool:
        """Write `record`; return False where another has written meanwhile."""
        if held.revision is None and not await self._find_revision(key, held):
            return False
        assert held.revision is not None
        revision, held.revision = held.revision, None  # until there is an answer
        written = await self._bucket.put(_key(*key), record, revision)
        if written is None:
            await self._find_revision(key, held)
            return False
        held.revision, held.record = written, record
        return True

    async def _find_revision(self, key: Key, held: Held) -> bool:
        """Read the record anew; let go of what is held, and return False, if it is another's."""
        found = await self._bucket.get(_key(*key))
        if found.value is None or found.value.epoch != held.record.epoch:
            self._drop(key, held)
            return False
        held.revision, held.record = found.revision, found.value
        return True

    def _drop(self, key: Key, held: Held) -> None:
        if self._held.get(key) is held:
            del self._held[key]

    # bringing records up to date

    async def keep_reflecting(self) -> None:
        """Bring records up to date as long as this runs, and close the topics of idle ones."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._reflect_due()
            except StoreError:
                continue  # what has not been written is read when a session begins

    async def close(self) -> None:
        """Bring all records up to date, and close all topics."""
        for key, held in [*self._held.items()]:
            await self._reflect(key, held, close=True)

    async def leave_topic(self, topic_id: int) -> None:
        """Bring those up to date that have the topic open, some of which is being taken out."""
        for key, held in [*self._held.items()]:
            if topic_id in held.stored_at:
                await self._reflect(key, held, close=False)

    async def reflect_before(self, topic_id: int, stream: TopicStream, end: int) -> None:
        """Bring all records up to date with what lies in the topic before the sequence `end`.

        It is about to be taken out, and a broker that has stored some of it may be gone, or have
        had no answer.
        """
        oldest, _ = await stream.ends()
        marks: dict[Key, Mark] = {}
        async for record in stream.between(oldest.place.sequence, end):
            for mark in record.preface.marks:
                key = (mark.account, mark.producer)
                marks[key] = united(marks.get(key, mark), mark)
        for key, mark in marks.items():
            await self._reflect_mark(key, mark, topic_id, end - 1)

    async def _reflect_mark(self, key: Key, mark: Mark, topic_id: int, sequence: int) -> None:
        """Have the producer's record know what `mark` says of the topic up to `sequence`."""
        while True:
            found = await self._bucket.get(_key(*key))
            record = found.value
            # A topic that is not open is reflected, and so is what lies before.
            if record is None or record.topics.get(topic_id, sequence) >= sequence:
                return
            known = united(Mark(*key, record.last_id, record.refused, record.epoch), mark)
            topics = record.topics | {topic_id: sequence}
            wanted = ProducerRecord(record.epoch, known.last_id, known.refused, topics)
            if await self._bucket.put(_key(*key), wanted, found.revision) is not None:
                return

    async def _reflect_due(self) -> None:
        idle_since = asyncio.get_running_loop().time() - IDLE_S
        for key, held in [*self._held.items()]:
            behind = max(
                (at - held.record.topics.get(one, at) for one, at in held.stored_at.items()),
                default=0,
            )
            idle = held.used_at < idle_since
            if idle or behind > REFLECT_EVERY:
                await self._reflect(key, held, close=idle)

    def _is_appending(self, key: Key) -> bool:
        return any(key in keys for keys in self._appending.values())

    async def _reflect(self, key: Key, held: Held, *, close: bool) -> None:
        async with held.changing:
            if held is not self._held.get(key):
                return
            close = close and not self._is_appending(key)
            if close:  # from now on whoever publishes has to open the topic again
                for topic_id in held.record.topics:
                    self._stream_of(topic_id).admitted.discard((*key, held.record.epoch))
            mark, record = held.mark, held.record
            topics = {} if close else record.topics | held.stored_at
            wanted = ProducerRecord(record.epoch, record.last_id, record.refused, topics)
            if mark is not None:
                known = united(mark, Mark(*key, record.last_id, record.refused, record.epoch))
                wanted = ProducerRecord(record.epoch, known.last_id, known.refused, topics)
            if wanted != record:
                await self._put(key, held, wanted)
            if close:
                self._drop(key, held)


def newest_in(record: Record, newest: Mark) -> Mark:
    """Return `newest` with what the record says of the same producer."""
    for mark in record.preface.marks:
        if (mark.account, mark.producer) == (newest.account, newest.producer):
            newest = united(newest, mark)
    return newest


def _key(account: int, producer: str) -> str:
    return f"{account}.{base64.urlsafe_b64encode(producer.encode()).decode()}"


def _producer(key: str) -> str:
    return base64.urlsafe_b64decode(key.partition(".")[2]).decode()
