"""What copying asks of a store on either side, and the values that pass between them.

Ids differ from store to store, so everything goes by its name: an account by its e-mail, a
topic by its name. A store is copied while nobody else can reach it, from `open` to `close`.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile
from typing import Protocol

from broker.store.interface import StoredBlock
from protocol.frames import split_bodies
from protocol.names import Role

CHUNK_ROWS = 5_000  # of the catalogue, held in memory at a time
CHUNK_BLOCKS = 5_000  # put by one transaction at most,
CHUNK_BYTES = 8 * 2**20  # and their bodies: beyond one read, never beyond two


@dataclass(frozen=True, slots=True)
class CopiedAccount:
    email: str
    role: Role
    password_hash: str | None = field(repr=False)

    @property
    def key(self) -> tuple[str, ...]:
        return (self.email,)


@dataclass(frozen=True, slots=True)
class CopiedTopic:
    """A topic. Messages up to `tail` are gone; so is its creator where that is None."""

    name: str
    creator: str | None
    created_at: datetime
    tail: int
    head: int


@dataclass(frozen=True, slots=True)
class CopiedSubscription:
    email: str
    topic: str
    cursor: int

    @property
    def key(self) -> tuple[str, ...]:
        return (self.email, self.topic)


@dataclass(frozen=True, slots=True)
class CopiedProducer:
    email: str
    producer: str
    last_id: int
    refused: tuple[int, ...]

    @property
    def key(self) -> tuple[str, ...]:
        return (self.email, self.producer)


@dataclass(frozen=True, slots=True)
class TopicBlocks:
    """Blocks of one topic that follow each other."""

    topic: str
    blocks: Sequence[StoredBlock]

    @property
    def count(self) -> int:
        return sum(block.count for block in self.blocks)

    @property
    def size(self) -> int:
        return sum(len(block.bodies) for block in self.blocks)


class Copyable(Protocol):
    """A store that can be copied, or be copied to.

    What is put is on disk when the call returns, and may be put again; where a call fails, some
    of it may be there, of a topic's blocks the first. Everything raises `StoreLost` and
    `StoreRefused` as a `Store` does.
    """

    async def open(self, *, there: bool) -> None:
        """Take the store for this program alone; with `there` it has to exist already.

        Raises:
            StoreUnusable: a person has to do something first, such as stop a broker.
        """

    async def close(self) -> None:
        """Let go of the store. Harmless when repeated, or never opened."""

    async def is_same(self, other: "Copyable") -> bool:
        """Whether `other`, which is not open yet, would be this store under another name."""

    async def check_alone(self) -> None:
        """Check that nobody else can have changed the store since it was opened.

        Raises:
            StoreLost: somebody can.
        """

    async def has_been_used(self) -> bool:
        """Whether a session has begun in it: what it has then may be newer than what is put."""

    # what it has: a chunk at a time, ordered by key, code point by code point

    def accounts(self) -> AsyncGenerator[Sequence[CopiedAccount], None]: ...

    def subscriptions(self) -> AsyncGenerator[Sequence[CopiedSubscription], None]: ...

    def producers(self) -> AsyncGenerator[Sequence[CopiedProducer], None]: ...

    async def topics(self) -> list[CopiedTopic]:
        """Return all topics, oldest first."""

    async def read(self, topic: str, seq: int) -> Sequence[StoredBlock]:
        """Return the block that holds `seq` and some of those after it, in order.

        At least one where there is one. Their bodies are hardly more than `CHUNK_BYTES`.
        """

    # what it is given

    async def put_accounts(self, accounts: Sequence[CopiedAccount]) -> None:
        """Put the accounts; those that are there get the password."""

    async def put_topics(self, topics: Sequence[CopiedTopic]) -> None:
        """Put the topics, without messages; those that are there get the creator and the tail.

        Messages up to the tail are taken out, and the head is moved to the tail at least.
        """

    async def put_blocks(self, parts: Sequence[TopicBlocks]) -> None:
        """Put blocks that follow the heads of their topics, and move those.

        Blocks up to a head are there already. Publishers have to be there, "" is nobody.
        """

    async def put_subscriptions(self, subscriptions: Sequence[CopiedSubscription]) -> None: ...

    async def drop_subscriptions(self, subscriptions: Sequence[CopiedSubscription]) -> None: ...

    async def put_producers(self, producers: Sequence[CopiedProducer]) -> None: ...


class Torn(Exception):
    """A store lacks messages in the middle of a topic; the text says which."""


async def blocks_between(
    store: Copyable, topic: str, after: int, until: int
) -> AsyncGenerator[TopicBlocks, None]:
    """Yield the messages after `after` up to `until`, all of them, a chunk at a time.

    Raises:
        Torn: some are missing.
    """
    while after < until:
        found = await store.read(topic, after + 1)
        blocks = [*takewhile(lambda block: block.first_seq <= until, found)]
        for place in {0, len(blocks) - 1} if blocks else ():  # those between are wanted whole
            blocks[place] = part_of(blocks[place], after, until)
        for block in blocks:
            if block.first_seq != after + 1:
                raise _torn(store, topic, after + 1, block.first_seq - 1)
            after += block.count
        if not blocks:
            raise _torn(store, topic, after + 1, until)
        yield TopicBlocks(topic, blocks)


def part_of(block: StoredBlock, after: int, until: int | None = None) -> StoredBlock:
    """Return what of the block lies after `after` and up to `until`."""
    first, last = max(block.first_seq, after + 1), block.first_seq + block.count - 1
    last = last if until is None else min(last, until)
    count = last - first + 1
    if count == block.count:
        return block
    skipped = first - block.first_seq
    wanted = slice(skipped, skipped + count)
    return replace(
        block,
        first_seq=first,
        count=count,
        publishers=block.publishers if len(block.publishers) == 1 else block.publishers[wanted],
        bodies=b"".join(split_bodies(block.bodies)[wanted]),
    )


def _torn(store: Copyable, topic: str, first: int, last: int) -> Torn:
    return Torn(
        f"{store} lacks the messages {first:,} to {last:,} of topic {topic!r}: parts of it are"
        " lost. Restore it from a backup, or delete that topic"
    )


def batch_of(committed_at: datetime) -> int:
    """Return a number for the batch whose blocks have this time, below all that a broker draws.

    The blocks of one commit had one batch, and retention keeps those of the newest together.
    """
    return -int(committed_at.timestamp()) * 1_000_000 - committed_at.microsecond


async def gathered(
    parts: AsyncGenerator[TopicBlocks, None],
) -> AsyncGenerator[list[TopicBlocks], None]:
    """Yield what comes in chunks that are worth a transaction, however small the parts are."""
    chunk: list[TopicBlocks] = []
    blocks = size = 0
    async with aclosing(parts):
        async for part in parts:
            chunk.append(part)
            blocks, size = blocks + len(part.blocks), size + part.size
            if blocks >= CHUNK_BLOCKS or size >= CHUNK_BYTES:
                yield chunk
                chunk, blocks, size = [], 0, 0
    if chunk:
        yield chunk
