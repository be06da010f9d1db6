"""Copying a store on JetStream: what it has, and how it is given what another has.

That it is alone is seen by who listens: brokers do to their news, a copy to a subject of its
own. What it writes says what it expects to find, so that whoever comes between ends the copy.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import msgspec

from broker.store.copying import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    CopiedAccount,
    CopiedProducer,
    CopiedSubscription,
    CopiedTopic,
    Copyable,
    TopicBlocks,
    batch_of,
    part_of,
)
from broker.store.errors import StoreError, StoreRefused, StoreUnusable
from broker.store.interface import NewBlock, StoredBlock
from broker.store.jetstream.accounts import AccountRecord, coded, decoded
from broker.store.jetstream.address import Address, NotAnAddress
from broker.store.jetstream.bucket import Bucket
from broker.store.jetstream.connection import Connection, all_of
from broker.store.jetstream.producers import NEVER, ProducerRecord, newest_in
from broker.store.jetstream.record import Mark, when
from broker.store.jetstream.store import (
    JetStreamStore,
    Parts,
    alone_subject,
    is_heard,
)
from broker.store.jetstream.streams import Streams
from broker.store.jetstream.subscriptions import SubscriberRecord
from broker.store.jetstream.topic import MOST_AT_ONCE, TopicGone
from broker.store.jetstream.topics import TopicEntry
from protocol.names import Role

NOBODY = 0  # as the id of an account that is gone: ids begin at 1
IN_FLIGHT_BYTES = 2**20  # written without an answer yet
MOST_PUBLISHERS = 4_000  # named in one message, beside the bodies
LOOK_WAIT_S = 3.0

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class JetStreamCopy:
    """A `Copyable` at `url`; `store` is that one, not open yet, and wants it alone."""

    def __init__(self, url: str, store: JetStreamStore) -> None:
        self._url = url
        self._store = store
        self._topic_ids: dict[str, int] = {}
        self._account_ids = {"": NOBODY}

    def __str__(self) -> str:
        return str(self._store)

    async def open(self, *, there: bool) -> None:
        await self._check(there=there)
        await self._store.open()

    async def _check(self, *, there: bool) -> None:
        """Look, on a connection that is closed again, whether it may be copied."""
        try:
            address = Address.parse(self._url)
        except NotAnAddress:
            return  # which the opening tells in words
        connection = Connection(address, LOOK_WAIT_S)
        try:
            await connection.open()
            if await is_heard(connection, alone_subject(address)):
                raise StoreUnusable(f"NATS at {address} is being copied already. Wait for that.")
            meta = await Streams(connection, LOOK_WAIT_S).look(f"KV_{address.prefix}_meta")
            if there and meta is None:
                raise StoreUnusable(
                    f"NATS at {address} holds nothing of a broker under {address.prefix!r}. Name"
                    " the one that does, and its ?prefix=..."
                )
        except StoreError:
            return
        finally:
            await connection.close()

    async def close(self) -> None:
        await self._store.close()

    async def is_same(self, other: Copyable) -> bool:
        if not isinstance(other, JetStreamCopy):
            return False
        try:
            one, two = Address.parse(self._url), Address.parse(other._url)
        except NotAnAddress:
            return False
        return one.prefix == two.prefix and bool({*one.servers} & {*two.servers})

    async def check_alone(self) -> None:
        await self._parts.streams.account()
        self._store.parts  # noqa: B018  # the question may have found the connection broken

    async def has_been_used(self) -> bool:
        async for subscribers in _values(self._subscribers, await self._subscribers.keys()):
            if any(record.epoch for _, record in subscribers):
                return True
        async for producers in _values(self._producers, await self._producers.keys()):
            if any(record.epoch for _, record in producers):
                return True
        return False

    # what it has

    async def accounts(self) -> AsyncGenerator[Sequence[CopiedAccount], None]:
        keys = await self._accounts.keys("email.*")
        keys.sort(key=lambda key: decoded(key.partition(".")[2]))
        async for found in _values(self._accounts, keys):
            yield [CopiedAccount(one.email, Role(one.role), one.password_hash) for _, one in found]

    async def subscriptions(self) -> AsyncGenerator[Sequence[CopiedSubscription], None]:
        names = {one.id: one.name for one in await self._parts.topics.all()}
        emails = await self._owners(await self._subscribers.keys())
        async for found in _values(self._subscribers, sorted(emails, key=emails.__getitem__)):
            yield [
                CopiedSubscription(emails[key], topic, cursor)
                for key, record in found
                for topic, cursor in sorted(
                    (names[one], cursor) for one, cursor in record.cursors.items() if one in names
                )
            ]

    async def producers(self) -> AsyncGenerator[Sequence[CopiedProducer], None]:
        emails = await self._owners(await self._producers.keys())
        ordered = sorted(emails, key=lambda key: (emails[key], _producer(key)))
        async for found in _values(self._producers, ordered):
            alive = [(key, record) for key, record in found if record.epoch < NEVER]
            marks = await all_of([partial(self._newest, *one) for one in alive])
            yield [
                CopiedProducer(emails[key], mark.producer, mark.last_id, mark.refused)
                for (key, _), mark in zip(alive, marks, strict=True)
            ]

    async def _owners(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the e-mails of the accounts whose the keys are; a key without one is left out."""
        ids = {key: _account(key) for key in keys}
        emails = await self._parts.accounts.emails({*ids.values()})
        return {key: emails[account] for key, account in ids.items() if emails[account]}

    async def _newest(self, key: str, record: ProducerRecord) -> Mark:
        """Return how far the producer has come, which its record need not reflect yet."""
        newest = Mark(_account(key), _producer(key), record.last_id, record.refused, record.epoch)
        for topic_id, reflected in record.topics.items():
            stream = self._parts.topics.stream_of(topic_id)
            with suppress(TopicGone):
                _, last = await stream.ends()
                async for found in stream.between(reflected + 1, last.place.sequence + 1):
                    newest = newest_in(found, newest)
        return newest

    async def topics(self) -> list[CopiedTopic]:
        entries = await self._parts.topics.all()
        self._topic_ids = {one.name: one.id for one in entries}
        emails = await self._parts.accounts.emails(
            {one.creator for one in entries if one.creator is not None}
        )
        states = await all_of([self._parts.topics.stream_of(one.id).state for one in entries])
        return [
            CopiedTopic(
                one.name,
                (emails[one.creator] or None) if one.creator is not None else None,
                when(one.created_us),
                *state,
            )
            for one, state in zip(entries, states, strict=True)
        ]

    async def read(self, topic: str, seq: int) -> Sequence[StoredBlock]:
        return await self._store.read(self._topic_ids[topic], seq, CHUNK_BYTES)

    # what it is given

    async def put_accounts(self, accounts: Sequence[CopiedAccount]) -> None:
        await all_of([partial(self._put_account, one) for one in accounts])

    async def _put_account(self, account: CopiedAccount) -> None:
        key = f"email.{coded(account.email)}"
        found = await self._accounts.get(key)
        if found.value is None:
            await self._parts.accounts.create(account.email, account.role, account.password_hash)
            return
        record = msgspec.structs.replace(found.value, password_hash=account.password_hash)
        _written(await self._accounts.put(key, record, found.revision))

    async def put_topics(self, topics: Sequence[CopiedTopic]) -> None:
        await self._learn({one.creator for one in topics if one.creator is not None})
        for topic in topics:  # one after the other: the oldest has the lowest id
            await self._put_topic(topic)

    async def _put_topic(self, topic: CopiedTopic) -> None:
        parts, created_us = self._parts, _us(topic.created_at)
        found = await self._topics.get(coded(topic.name))
        creator = None if topic.creator is None else self._account_ids[topic.creator]
        if found.value is None:
            topic_id = await self._numbers.next_number("numbers")
            await parts.streams.make(parts.names.config(topic_id, parts.replicas))
            await parts.topics.stream_of(topic_id).begin(topic.tail, created_us)
            entry = TopicEntry(topic_id, topic.name, creator, created_us)
        else:
            entry = msgspec.structs.replace(found.value, creator=creator)
            await self._move_tail(entry, topic.tail)
        _written(await self._topics.put(coded(topic.name), entry, found.revision))
        self._topic_ids[topic.name] = entry.id

    async def _move_tail(self, entry: TopicEntry, tail: int) -> None:
        stream = self._parts.topics.stream_of(entry.id)
        oldest, newest = await stream.ends()
        if oldest.first_seq > tail:
            return
        if newest.place.head <= tail:
            first = await stream.stand(tail, newest.time_us)
        else:
            first = await stream.seek(tail + 1, oldest, newest)
        await self._parts.streams.purge(self._parts.names.stream(entry.id), first)

    async def put_blocks(self, parts: Sequence[TopicBlocks]) -> None:
        """One message a block. Many are on their way at a time, each naming the one before it."""
        await self._learn({who for part in parts for one in part.blocks for who in one.publishers})
        for part in parts:
            stream = self._parts.topics.stream_of(self._topic_ids[part.topic])
            head = (await stream.place()).head
            missing = [
                piece
                for block in part.blocks
                if block.first_seq + block.count - 1 > head
                for piece in self._pieces(part.topic, part_of(block, head))
            ]
            if missing and missing[0].first_seq != head + 1:
                raise StoreRefused(f"block {missing[0].first_seq:,} does not follow {head:,}")
            for some in _in_flight(missing):
                await stream.add_all([self._new_block(one) for one in some])

    def _pieces(self, topic: str, block: StoredBlock) -> Iterator[StoredBlock]:
        """Cut the block into such as have room in a message."""
        limit = self._store.block_bytes or 0
        named = len(block.publishers)
        if len(block.bodies) <= limit and named <= MOST_PUBLISHERS:
            yield block
        elif block.count == 1:
            raise StoreRefused(
                f"message {block.first_seq:,} of topic {topic!r} has {len(block.bodies):,} bytes,"
                f" and the server has room for {limit:,}; raise max_payload in its configuration"
            )
        else:
            middle = block.first_seq + block.count // 2 - 1
            yield from self._pieces(topic, part_of(block, 0, middle))
            yield from self._pieces(topic, part_of(block, middle))

    def _new_block(self, block: StoredBlock) -> tuple[NewBlock, int, int]:
        publishers = [self._account_ids[email] for email in block.publishers]
        new = NewBlock(0, block.count, publishers, block.bodies)
        return new, batch_of(block.committed_at), _us(block.committed_at)

    async def put_subscriptions(self, subscriptions: Sequence[CopiedSubscription]) -> None:
        await self._learn({one.email for one in subscriptions})
        await self._change_cursors(subscriptions, lambda one: one.cursor)

    async def drop_subscriptions(self, subscriptions: Sequence[CopiedSubscription]) -> None:
        await self._learn({one.email for one in subscriptions})
        await self._change_cursors(subscriptions, lambda one: None)

    async def _change_cursors(
        self,
        subscriptions: Sequence[CopiedSubscription],
        cursor_of: Callable[[CopiedSubscription], int | None],
    ) -> None:
        changes: dict[int, dict[int, int | None]] = {}
        for one in subscriptions:
            topic_id = self._topic_ids[one.topic]
            changes.setdefault(self._account_ids[one.email], {})[topic_id] = cursor_of(one)
        await all_of([partial(self._change, *change) for change in changes.items()])

    async def _change(self, account: int, cursors: dict[int, int | None]) -> None:
        found = await self._subscribers.get(str(account))
        record = found.value or SubscriberRecord(0)
        changed = {
            topic: cursor
            for topic, cursor in (record.cursors | cursors).items()
            if cursor is not None
        }
        new = SubscriberRecord(record.epoch, changed)
        _written(await self._subscribers.put(str(account), new, found.revision))

    async def put_producers(self, producers: Sequence[CopiedProducer]) -> None:
        await self._learn({one.email for one in producers})
        await all_of([partial(self._put_producer, one) for one in producers])

    async def _put_producer(self, producer: CopiedProducer) -> None:
        key = f"{self._account_ids[producer.email]}.{coded(producer.producer)}"
        found = await self._producers.get(key)
        record = ProducerRecord(0, producer.last_id, producer.refused)
        _written(await self._producers.put(key, record, found.revision))

    async def _learn(self, emails: set[str]) -> None:
        unknown = [email for email in emails if email not in self._account_ids]

        async def learn(email: str) -> None:
            found = await self._accounts.get(f"email.{coded(email)}")
            if found.value is not None:
                self._account_ids[email] = found.value.id

        await all_of([partial(learn, email) for email in unknown])

    # where it is kept

    @property
    def _parts(self) -> Parts:
        return self._store.parts

    @property
    def _accounts(self) -> Bucket[AccountRecord]:
        return self._bucket("accounts", AccountRecord)

    @property
    def _topics(self) -> Bucket[TopicEntry]:
        return self._bucket("topics", TopicEntry)

    @property
    def _subscribers(self) -> Bucket[SubscriberRecord]:
        return self._bucket("subscriptions", SubscriberRecord)

    @property
    def _producers(self) -> Bucket[ProducerRecord]:
        return self._bucket("producers", ProducerRecord)

    @property
    def _numbers(self) -> Bucket[None]:
        return self._bucket("meta", type(None))

    def _bucket(self, name: str, kind: type[T]) -> Bucket[T]:
        parts = self._parts
        return Bucket(parts.streams, f"{parts.names.prefix}_{name}", kind)


async def _values(
    bucket: Bucket[T], keys: Sequence[str]
) -> AsyncGenerator[list[tuple[str, T]], None]:
    """Yield what stands at the keys, in their order, a chunk at a time."""
    for start in range(0, len(keys), CHUNK_ROWS):
        some = keys[start : start + CHUNK_ROWS]
        found = await all_of([partial(bucket.get, key) for key in some])
        yield [
            (key, one.value) for key, one in zip(some, found, strict=True) if one.value is not None
        ]


def _in_flight(blocks: Sequence[StoredBlock]) -> Iterator[list[StoredBlock]]:
    """Yield the blocks in runs that may be on their way together."""
    some: list[StoredBlock] = []
    size = 0
    for block in blocks:
        if some and (len(some) >= MOST_AT_ONCE or size + len(block.bodies) > IN_FLIGHT_BYTES):
            yield some
            some, size = [], 0
        some.append(block)
        size += len(block.bodies)
    if some:
        yield some


def _written(revision: int | None) -> None:
    if revision is None:
        raise StoreRefused("somebody else has changed it")


def _account(key: str) -> int:
    """Return whose a key of a subscriber or a producer is."""
    return int(key.partition(".")[0])


def _producer(key: str) -> str:
    return decoded(key.partition(".")[2])


def _us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
