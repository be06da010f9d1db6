"""The store on a NATS JetStream cluster."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from broker.store.errors import StoreError, StoreLost, StoreRefused, StoreUnusable
from broker.store.interface import (
    Account,
    Batch,
    Commit,
    Credentials,
    CursorMove,
    ProducerMark,
    StoredBlock,
    SubscriptionRecord,
    TopicRecord,
    TopicSummary,
)
from broker.store.jetstream.accounts import AccountRecord, Accounts
from broker.store.jetstream.address import Address, NotAnAddress
from broker.store.jetstream.bucket import Bucket
from broker.store.jetstream.connection import CLOSE_TIMEOUT_S, Connection, all_of
from broker.store.jetstream.faults import NoAnswer, NobodyAnswers
from broker.store.jetstream.log import Appender
from broker.store.jetstream.opening import (
    ROOM_BYTES,
    Opening,
    VersionRecord,
    permission_lacking,
    unreachable,
)
from broker.store.jetstream.producers import ProducerRecord, Producers
from broker.store.jetstream.record import Record
from broker.store.jetstream.removal import expired, take_out
from broker.store.jetstream.streams import Streams
from broker.store.jetstream.subscriptions import Cursors, SubscriberRecord, Subscriptions
from broker.store.jetstream.summing import record_of, summary
from broker.store.jetstream.topic import Names, TopicGone
from broker.store.jetstream.topics import TopicEntry, Topics
from broker.store.jetstream.turns import Turns
from protocol.names import Role

T = TypeVar("T")

HEARD_TIMEOUTS_S = (1.0, 3.0, 6.0)  # a broker that starts waits so long for a copy to end

BUCKETS = ("meta", "accounts", "topics", "subscriptions", "producers")


@dataclass(frozen=True, slots=True)
class Parts:
    """What else than a broker works on the same data needs."""

    streams: Streams
    names: Names
    accounts: Accounts
    topics: Topics
    replicas: int


class JetStreamStore:
    """A store in a NATS cluster that someone else runs, shared with any number of brokers.

    There is no transaction over several streams. A batch that goes to several topics may be
    stored in a part when its outcome was lost: `find_commit` says None then, and the part is
    delivered like another broker's messages.
    """

    def __init__(self, url: str, *, wait_s: float = 30.0, alone: bool = False) -> None:
        self._url = url
        self._alone = alone  # it is copied: no broker may serve it meanwhile
        self._alone_lost = False
        self._wait_s = wait_s
        self._told = "NATS"
        self._connection: Connection | None = None
        self._heard: Callable[[str | None], None] | None = None
        self._reflecting: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        return self._told

    # opening and closing

    async def open(self) -> None:
        try:
            address = Address.parse(self._url)
        except NotAnAddress as error:
            raise StoreUnusable(f"--store cannot be used: {error}.") from error
        self._told = f"NATS at {address}"
        connection = self._connection = Connection(address, self._wait_s)
        self._turns = Turns(lambda text: connection.tell(f"{address.prefix}.turns", text.encode()))
        try:
            await self._connect(address, connection)
            await self._open(address, connection)
        except (StoreLost, StoreRefused) as error:
            denied = connection.denied
            await self._abandon()
            if denied is not None:
                raise permission_lacking(address, denied) from error
            raise StoreUnusable(
                f"{self._told} cannot be used: {error}. Check that its servers run and reach each"
                " other, and see what they log."
            ) from error
        except BaseException:
            await self._abandon()
            raise

    async def _connect(self, address: Address, connection: Connection) -> None:
        if self._alone:
            connection.listen(alone_subject(address), self._hear_alone)
        elif self._heard is not None:
            connection.listen(news_subject(address), self._hear)
        connection.listen(f"{address.prefix}.turns", self._turns.heard)
        try:
            await connection.open()
        except StoreLost as error:
            raise unreachable(address, error) from error

    async def _check_alone(self, address: Address, connection: Connection) -> None:
        """Make sure that this is not copied while it is served.

        Whoever comes second sees the first, as each listens before it asks who else does.
        """
        if self._alone and await is_heard(connection, news_subject(address)):
            raise StoreUnusable(
                f"{self._told} is in use: brokers are serving it. Stop them first, all of them."
            )
        if not self._alone and await is_heard(connection, alone_subject(address)):
            raise StoreUnusable(
                f"{self._told} is being copied by `pubsub copy`. Wait for that to end, or stop it."
            )

    async def _open(self, address: Address, connection: Connection) -> None:
        await self._check_alone(address, connection)
        streams = self._streams = Streams(connection, self._wait_s)
        names = self._names = Names(address.prefix)
        opening = Opening(address, connection, streams, self._wait_s)
        await opening.check_cluster()
        replicas = self._replicas = await opening.replicas(f"{address.prefix}_{BUCKETS[0]}")
        streams.replicated = replicas > 1
        await opening.make_buckets([f"{address.prefix}_{one}" for one in BUCKETS], replicas)
        await opening.check_version(self._bucket(address, "meta", VersionRecord))
        numbers: Bucket[None] = self._bucket(address, "meta", type(None))
        self._accounts = Accounts(self._bucket(address, "accounts", AccountRecord), numbers)
        bucket = self._bucket(address, "topics", TopicEntry)
        self._topics = Topics(bucket, numbers, streams, names, replicas, self._turns)
        self._subscriptions = Subscriptions(
            self._bucket(address, "subscriptions", SubscriberRecord)
        )
        self._producers = Producers(
            self._bucket(address, "producers", ProducerRecord),
            self._topics.stream_of,
            self._accounts.exists,
        )
        self._appender = Appender(self._topics.stream_of, self._topics.exists, self._producers)
        ids = [one.id for one in await self._topics.all()]
        await opening.check_topics(ids, names, replicas)
        await opening.tell_orphans(ids, names)
        opening.tell(replicas)
        self._reflecting = asyncio.get_running_loop().create_task(
            self._producers.keep_reflecting(), name="producers"
        )

    async def close(self) -> None:
        if self._reflecting is not None:
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._producers.close()
        await self._abandon()

    async def _abandon(self) -> None:
        reflecting, self._reflecting = self._reflecting, None
        if reflecting is not None:
            reflecting.cancel()
            await asyncio.gather(reflecting, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    # the catalogue

    async def create_account(
        self, email: str, role: Role, password_hash: str | None = None
    ) -> Account | None:
        return await self._accounts.create(email, role, password_hash)

    async def find_account(self, email: str) -> Account | None:
        found = await self._accounts.credentials(email)
        return found.account if found else None

    async def credentials(self, email: str) -> Credentials | None:
        return await self._accounts.credentials(email)

    async def set_password(self, account_id: int, password_hash: str) -> None:
        await self._accounts.set_password(account_id, password_hash)

    async def delete_account(self, account_id: int) -> None:
        await self._accounts.close(account_id)
        await self._subscriptions.forget_account(account_id)
        await self._producers.forget_account(account_id)
        await self._topics.disown(account_id)
        await self._accounts.forget(account_id)

    async def create_topic(self, name: str, creator_id: int) -> TopicRecord | None:
        entry = await self._topics.create(name, creator_id)
        return record_of(entry, 0, 0) if entry is not None else None

    async def delete_topic(self, topic_id: int) -> None:
        await self._producers.leave_topic(topic_id)
        await self._topics.delete(topic_id)

    async def topics(self) -> list[TopicRecord]:
        return await self._records(await self._topics.all())

    async def summaries(self) -> list[TopicSummary]:
        cursors = await self._subscriptions.by_topic()

        async def summed(one: TopicEntry) -> TopicSummary:
            return await summary(self._topics.stream_of(one.id), one, cursors.get(one.id, {}))

        return await _unless_gone(summed, await self._topics.all())

    # sessions

    async def begin_session(self, account_id: int) -> int | None:
        if not await self._accounts.exists(account_id):
            return None
        return await self._subscriptions.begin(account_id, self._still_there)

    async def begin_producer(self, account_id: int, producer: str) -> ProducerMark | None:
        return await self._producers.begin(account_id, producer)

    async def subscribe(self, account_id: int, topic_id: int, cursor: int, epoch: int) -> None:
        if not await self._topics.exists(topic_id):
            raise StoreRefused("there is no such topic any more")
        await self._subscriptions.put(account_id, topic_id, cursor, epoch)

    async def unsubscribe(self, account_id: int, topic_id: int, epoch: int) -> bool:
        return await self._subscriptions.remove(account_id, topic_id, epoch)

    async def subscriptions(self, account_id: int) -> list[SubscriptionRecord]:
        cursors = await self._subscriptions.of(account_id)
        if not cursors:
            return []
        topics = [one for one in await self._topics.all() if one.id in cursors]
        return [SubscriptionRecord(one, cursors[one.id]) for one in await self._records(topics)]

    async def receipts(self, topic_id: int, seq: int) -> tuple[int, int]:
        if not await self._topics.exists(topic_id):
            return 0, 0
        cursors = (await self._subscriptions.by_topic()).get(topic_id, {})
        return sum(cursor >= seq for cursor in cursors.values()), len(cursors)

    # the log

    async def append(self, batch: Batch) -> Commit:
        return await self._appender.append(batch)

    async def find_commit(self, batch: Batch) -> Commit | None:
        return await self._appender.find(batch)

    async def read(
        self, topic_id: int, seq: int, limit_bytes: int, head: int = 0
    ) -> list[StoredBlock]:
        try:
            records = await self._topics.stream_of(topic_id).read(seq, limit_bytes, head)
        except TopicGone:
            if head and await self._topics.exists(topic_id):
                raise StoreLost(f"the stream of topic {topic_id} is missing") from None
            return []
        emails = await self._accounts.emails(
            {account for record in records for account in record.preface.publishers}
        )
        return [_block(record, emails) for record in records]

    async def expired(
        self, older_than_s: float | None, more_than_bytes: int | None
    ) -> list[tuple[int, int]]:
        found = []
        for entry in await self._topics.all():
            with suppress(TopicGone):
                stream = self._topics.stream_of(entry.id)
                up_to = await expired(stream, older_than_s, more_than_bytes)
                if up_to is not None:
                    found.append((entry.id, up_to))
        return found

    async def take_out(self, topic_id: int, up_to: int) -> int | None:
        await self._producers.leave_topic(topic_id)
        stream, name = self._topics.stream_of(topic_id), self._names.stream(topic_id)

        async def before(sequence: int) -> None:
            await self._producers.reflect_before(topic_id, stream, sequence)

        try:
            return await take_out(self._streams, name, stream, up_to, before)
        except TopicGone:
            return None

    # cursors

    async def save_cursors(self, moved: Sequence[CursorMove]) -> list[CursorMove]:
        return await self._subscriptions.save(moved)

    # other brokers

    @property
    def block_bytes(self) -> int | None:
        assert self._connection is not None
        return self._connection.max_payload - ROOM_BYTES

    @property
    def takes_scattered(self) -> bool:
        return False

    @property
    def shared(self) -> bool:
        return True

    def listen(self, heard: Callable[[str | None], None]) -> None:
        self._heard = heard

    async def tell(self, news: str) -> None:
        if self._connection is None:
            raise StoreLost("there is no connection")
        await self._connection.tell(f"{self._names.prefix}.news", news.encode())

    def _hear(self, news: str | None) -> None:
        if news != "":  # which asks only whether somebody hears it
            assert self._heard is not None
            self._heard(news)

    def _hear_alone(self, news: str | None) -> None:
        self._alone_lost |= news is None

    # copying

    @property
    def parts(self) -> "Parts":
        """What a copy is made of, and made with, once it is open.

        Raises:
            StoreLost: the connection broke since, so that brokers may have come between.
        """
        if self._alone_lost:
            raise StoreLost("the connection that kept brokers away was lost")
        return Parts(self._streams, self._names, self._accounts, self._topics, self._replicas)

    async def _still_there(self, cursors: Cursors) -> Cursors:
        """Return `cursors` without those of topics that are gone."""
        if cursors.keys() <= {one.id for one in self._topics.known()}:
            return cursors
        topics = {one.id for one in await self._topics.all()}
        return {topic_id: cursor for topic_id, cursor in cursors.items() if topic_id in topics}

    async def _records(self, entries: Sequence[TopicEntry]) -> list[TopicRecord]:
        async def record(entry: TopicEntry) -> TopicRecord:
            tail, head = await self._topics.stream_of(entry.id).state()
            return record_of(entry, tail, head)

        return await _unless_gone(record, entries)

    def _bucket(self, address: Address, name: str, kind: type[T]) -> Bucket[T]:
        return Bucket(self._streams, f"{address.prefix}_{name}", kind)


def news_subject(address: Address) -> str:
    return f"{address.prefix}.news"


def alone_subject(address: Address) -> str:
    return f"{address.prefix}.alone"


async def is_heard(connection: Connection, subject: str) -> bool:
    """Whether a broker or a copy listens to `subject`: the server says where nobody does.

    It is asked again where it is silent, as one that is busy is for a while. Those who are meant
    never answer; a stream of another program does, of which the opening tells.
    """
    for timeout_s in HEARD_TIMEOUTS_S:
        try:
            await connection.ask(subject, timeout_s=timeout_s)
        except NobodyAnswers:
            return False
        except NoAnswer:
            continue
        return False
    return True


async def _unless_gone(
    ask: Callable[[TopicEntry], Awaitable[T]], entries: Sequence[TopicEntry]
) -> list[T]:
    """Ask for each of `entries`; leave out those whose topic went a moment ago."""

    async def asked(entry: TopicEntry) -> T | None:
        try:
            return await ask(entry)
        except TopicGone:
            return None

    found = await all_of([partial(asked, entry) for entry in entries])
    return [one for one in found if one is not None]


def _block(record: Record, emails: dict[int, str]) -> StoredBlock:
    assert record.bodies is not None
    publishers = tuple(emails[account] for account in record.preface.publishers)
    return StoredBlock(
        record.first_seq, record.count, publishers, record.committed_at, record.bodies
    )
