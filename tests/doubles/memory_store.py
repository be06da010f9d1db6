"""A store in memory, with faults that a test can name."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, count, takewhile

from broker.store.errors import BatchOutdated, StoreLost, StoreRefused, Superseded
from broker.store.interface import (
    Account,
    Batch,
    Commit,
    Credentials,
    CursorMove,
    NewBlock,
    ProducerMark,
    Scattered,
    StoredBlock,
    SubscriptionRecord,
    TopicRecord,
    TopicSummary,
)
from protocol.frames import split_bodies
from protocol.names import Role


class MemoryStore:
    """A `Store` whose content outlives `close`, as that of a database does.

    `lose` and `refuse` last until `restore`. Calls are counted when they begin, whatever
    becomes of them.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._ids = count(1)  # of accounts and topics: none is used twice
        self._hashes: dict[int, str | None] = {}  # of passwords, by account
        self._topics: dict[int, TopicRecord] = {}
        self._blocks: dict[int, list[StoredBlock]] = {}
        self._cursors: dict[tuple[int, int], int] = {}  # by account and topic
        self._epochs: dict[int, int] = {}  # of sessions, by account
        self._producers: dict[tuple[int, str], ProducerMark] = {}
        self._commits: dict[int, Commit] = {}  # by batch
        self._lost = self._refusing = self._losing_answer = False
        self._going_on = asyncio.Event()
        self._going_on.set()
        self.held = asyncio.Event()  # an append waits for `release`
        self.asked_in_vain = asyncio.Event()  # a call has met `lose` since the last `lose`
        self.saved = asyncio.Event()  # cursors have been saved
        self.opened = False
        self.appends = 0
        self.finds = 0
        self.reads = 0
        self.saves = 0

    @property
    def commits(self) -> list[Commit]:
        """All there have been, oldest first."""
        return [*self._commits.values()]

    # faults

    def lose(self) -> None:
        """Let every call raise `StoreLost`."""
        self._lost = True
        self.asked_in_vain.clear()

    def lose_answer(self) -> None:
        """Store the next batch, and raise `StoreLost` in the place of an answer."""
        self._losing_answer = True

    def refuse(self) -> None:
        """Let every append raise `StoreRefused`."""
        self._refusing = True

    def restore(self) -> None:
        """End what `lose` and `refuse` began."""
        self._lost = self._refusing = False

    def hold(self) -> None:
        """Keep appends waiting, before anything of them is stored."""
        self._going_on.clear()
        self.held.clear()

    def release(self) -> None:
        self._going_on.set()

    def _answer(self) -> None:
        if self._lost:
            self.asked_in_vain.set()
            raise StoreLost("nobody answers")

    # opening and closing

    async def open(self) -> None:
        self.opened = True

    async def close(self) -> None:
        self.opened = False

    # the catalogue

    async def create_account(
        self, email: str, role: Role, password_hash: str | None = None
    ) -> Account | None:
        self._answer()
        if email in self._accounts:
            return None
        account = self._accounts[email] = Account(next(self._ids), email, role)
        self._hashes[account.id] = password_hash
        return account

    async def find_account(self, email: str) -> Account | None:
        self._answer()
        return self._accounts.get(email)

    async def credentials(self, email: str) -> Credentials | None:
        account = await self.find_account(email)
        return Credentials(account, self._hashes[account.id]) if account else None

    async def set_password(self, account_id: int, password_hash: str) -> None:
        self._answer()
        self._hashes[account_id] = password_hash

    async def delete_account(self, account_id: int) -> None:
        self._answer()
        gone = [one.email for one in self._accounts.values() if one.id == account_id]
        for email in gone:
            del self._accounts[email], self._hashes[account_id]
            self._blocks = {
                topic_id: [_disowned(block, email) for block in blocks]
                for topic_id, blocks in self._blocks.items()
            }
        self._topics = {
            one.id: replace(one, creator_id=None) if one.creator_id == account_id else one
            for one in self._topics.values()
        }
        self._cursors = {key: seq for key, seq in self._cursors.items() if key[0] != account_id}
        for key in [key for key in self._producers if key[0] == account_id]:
            del self._producers[key]

    async def create_topic(self, name: str, creator_id: int) -> TopicRecord | None:
        self._answer()
        if any(topic.name == name for topic in self._topics.values()):
            return None
        now = datetime.now(UTC)
        topic = TopicRecord(next(self._ids), name, 0, now, creator_id=creator_id)
        self._topics[topic.id], self._blocks[topic.id] = topic, []
        return topic

    async def delete_topic(self, topic_id: int) -> None:
        self._answer()
        self._topics.pop(topic_id, None)
        self._blocks.pop(topic_id, None)
        self._cursors = {key: seq for key, seq in self._cursors.items() if key[1] != topic_id}

    async def topics(self) -> list[TopicRecord]:
        self._answer()
        return [*self._topics.values()]

    async def summaries(self) -> list[TopicSummary]:
        self._answer()
        return [self._summary(topic) for topic in self._topics.values()]

    def _summary(self, topic: TopicRecord) -> TopicSummary:
        blocks = self._blocks[topic.id]
        read = [max(cursor, topic.tail) for cursor in self._cursors_of(topic.id)]
        unread = [max(topic.head - seq, 0) for seq in read]
        return TopicSummary(
            topic,
            blocks[-1].committed_at if blocks else None,
            subscribers=len(unread),
            behind=sum(map(bool, unread)),
            unread=sum(unread),
            unread_since=next(
                (
                    block.committed_at
                    for block in blocks
                    if block.first_seq + block.count > topic.head - max(unread, default=0) + 1
                ),
                None,
            )
            if any(unread)
            else None,
        )

    def _cursors_of(self, topic_id: int) -> list[int]:
        return [cursor for (_, topic), cursor in self._cursors.items() if topic == topic_id]

    # sessions

    async def begin_session(self, account_id: int) -> int | None:
        self._answer()
        if account_id not in self._hashes:
            return None
        self._epochs[account_id] = self._epochs.get(account_id, 0) + 1
        return self._epochs[account_id]

    async def begin_producer(self, account_id: int, producer: str) -> ProducerMark | None:
        self._answer()
        if account_id not in self._hashes:
            return None
        key = account_id, producer
        before = self._producers.get(key, ProducerMark(account_id, producer, 0))
        self._producers[key] = replace(before, epoch=before.epoch + 1)
        return self._producers[key]

    def _check_newest(self, account_id: int, epoch: int) -> None:
        if self._epochs.get(account_id) != epoch:
            raise Superseded("a newer session has begun")

    async def subscribe(self, account_id: int, topic_id: int, cursor: int, epoch: int) -> None:
        self._answer()
        self._check_newest(account_id, epoch)
        if topic_id not in self._topics:
            raise StoreRefused("there is no such topic")
        self._cursors[account_id, topic_id] = cursor

    async def unsubscribe(self, account_id: int, topic_id: int, epoch: int) -> bool:
        self._answer()
        self._check_newest(account_id, epoch)
        return self._cursors.pop((account_id, topic_id), None) is not None

    async def subscriptions(self, account_id: int) -> list[SubscriptionRecord]:
        self._answer()
        return [
            SubscriptionRecord(topic, self._cursors[account_id, topic.id])
            for topic in self._topics.values()
            if (account_id, topic.id) in self._cursors
        ]

    async def receipts(self, topic_id: int, seq: int) -> tuple[int, int]:
        self._answer()
        cursors = self._cursors_of(topic_id)
        return sum(cursor >= seq for cursor in cursors), len(cursors)

    # the log

    async def append(self, batch: Batch) -> Commit:
        self.appends += 1
        if not self._going_on.is_set():
            self.held.set()
            await self._going_on.wait()
        self._answer()
        if self._refusing:
            raise StoreRefused("the test says no")
        if batch.id not in self._commits:
            self._check_topical(batch)
            self._commits[batch.id] = self._stored(batch)
        if self._losing_answer:
            self._losing_answer = False
            raise StoreLost("the answer was lost")
        return self._commits[batch.id]

    async def find_commit(self, batch: Batch) -> Commit | None:
        self.finds += 1
        self._answer()
        return self._commits.get(batch.id)

    async def read(
        self, topic_id: int, seq: int, limit_bytes: int, head: int = 0
    ) -> list[StoredBlock]:
        self.reads += 1
        self._answer()
        found: list[StoredBlock] = []
        for block in self._blocks.get(topic_id, []):
            if block.first_seq + block.count > seq:
                found.append(block)
                limit_bytes -= len(block.bodies)
                if limit_bytes <= 0:
                    break
        return found

    async def expired(
        self, older_than_s: float | None, more_than_bytes: int | None
    ) -> list[tuple[int, int]]:
        self._answer()
        found = []
        for topic_id, blocks in self._blocks.items():
            old = 0 if older_than_s is None else _too_old(blocks, timedelta(seconds=older_than_s))
            large = 0 if more_than_bytes is None else _too_large(blocks, more_than_bytes)
            if old or large:
                last = blocks[max(old, large) - 1]
                found.append((topic_id, last.first_seq + last.count - 1))
        return found

    async def take_out(self, topic_id: int, up_to: int) -> int | None:
        self._answer()
        blocks = self._blocks.get(topic_id)
        if not blocks or (last_seq := blocks[0].first_seq + blocks[0].count - 1) > up_to:
            return None
        del blocks[0]  # one at a time, which is bounded
        self._topics[topic_id] = replace(self._topics[topic_id], tail=last_seq)
        return last_seq

    def _check_topical(self, batch: Batch) -> None:
        named = {block.topic_id for block in batch.blocks}
        if batch.scattered is not None:
            assert named.isdisjoint(batch.scattered.topic_ids)
            named.update(batch.scattered.topic_ids)
        topics = named - self._topics.keys()
        producers = {
            key
            for mark in batch.producers
            if (newest := self._producers.get(key := (mark.account_id, mark.producer))) is None
            or newest.epoch != mark.epoch
        }
        if topics or producers:
            raise BatchOutdated(frozenset(topics), frozenset(producers))

    def _stored(self, batch: Batch) -> Commit:
        now = datetime.now(UTC)
        first_seqs = [self._store_block(block, now) for block in batch.blocks]
        seqs = self._store_scattered(batch.scattered, now) if batch.scattered else []
        for mark in batch.producers:
            self._producers[mark.account_id, mark.producer] = mark
        return Commit(first_seqs, now, seqs)

    def _store_scattered(self, scattered: Scattered, now: datetime) -> list[int]:
        """Store a block a topic, and return the seq of each message."""
        assert self.takes_scattered
        lines = split_bodies(scattered.bodies)
        rows = [*zip(scattered.topic_ids, scattered.publishers, lines, strict=True)]
        next_seq = {}
        for topic_id in dict.fromkeys(scattered.topic_ids):
            own = [(publisher, line) for of, publisher, line in rows if of == topic_id]
            block = NewBlock(
                topic_id, len(own), [one for one, _ in own], b"".join(line for _, line in own)
            )
            next_seq[topic_id] = count(self._store_block(block, now))
        return [next(next_seq[topic_id]) for topic_id in scattered.topic_ids]

    def _store_block(self, block: NewBlock, now: datetime) -> int:
        topic = self._topics[block.topic_id]
        self._topics[topic.id] = replace(topic, head=topic.head + block.count)
        emails = {account.id: account.email for account in self._accounts.values()}
        publishers = tuple(emails[account_id] for account_id in block.publishers)
        first_seq = topic.head + 1
        stored = StoredBlock(first_seq, block.count, publishers, now, block.bodies)
        self._blocks[topic.id].append(stored)
        return first_seq

    # cursors

    async def save_cursors(self, moved: Sequence[CursorMove]) -> list[CursorMove]:
        self.saves += 1
        self._answer()
        refused = [one for one in moved if self._epochs.get(one.account_id) != one.epoch]
        for one in moved:
            place = one.account_id, one.topic_id
            if one not in refused and one.seq > self._cursors.get(place, one.seq):
                self._cursors[place] = one.seq
        self.saved.set()
        return refused

    # other brokers, of which there are none

    block_bytes: int | None = None
    takes_scattered = True
    shared = False

    def listen(self, heard: Callable[[str | None], None]) -> None:
        pass

    async def tell(self, news: str) -> None:
        raise AssertionError("there is nobody to tell")


def _disowned(block: StoredBlock, email: str) -> StoredBlock:
    return replace(block, publishers=tuple("" if one == email else one for one in block.publishers))


def _too_old(blocks: Sequence[StoredBlock], age: timedelta) -> int:
    """Return how many of `blocks` were committed longer ago."""
    before = datetime.now(UTC) - age
    return len([*takewhile(lambda block: block.committed_at < before, blocks)])


def _too_large(blocks: Sequence[StoredBlock], limit: int) -> int:
    """Return how many have to go so that the bodies of the others take `limit` bytes."""
    sizes = accumulate(len(block.bodies) for block in reversed(blocks))
    newest = [one.committed_at for one in blocks[-1:]]
    over = [size > limit for size in sizes]
    return sum(
        too_large and block.committed_at not in newest
        for too_large, block in zip(over, reversed(blocks), strict=True)
    )
