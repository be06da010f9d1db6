"""A store in memory that can be copied, and broken off at any call."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from itertools import count

from broker.store.copying import (
    CopiedAccount,
    CopiedProducer,
    CopiedSubscription,
    CopiedTopic,
    Copyable,
    TopicBlocks,
)
from broker.store.interface import StoredBlock

CHUNK = 2  # small, so that few entries make several


class BrokenOff(Exception):
    """The call did not happen."""


class MemoryCopy:
    """A `Copyable` of which a test sees and changes everything.

    With `calls_left` that many changes are made and the next one raises `BrokenOff`.
    """

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.account_list: dict[tuple[str, ...], CopiedAccount] = {}
        self.subscription_list: dict[tuple[str, ...], CopiedSubscription] = {}
        self.producer_list: dict[tuple[str, ...], CopiedProducer] = {}
        self.topic_list: dict[str, CopiedTopic] = {}
        self.blocks: dict[str, list[StoredBlock]] = {}
        self.calls_left: int | None = None
        self.calls = 0  # that changed something
        self.used = False

    def __str__(self) -> str:
        return self.name

    @property
    def content(self) -> tuple[object, ...]:
        """All it holds, however it is cut into blocks."""
        messages = {
            name: [
                (seq, block.publishers[0 if len(block.publishers) == 1 else place], body)
                for block in blocks
                for place, (seq, body) in enumerate(
                    zip(count(block.first_seq), block.bodies.splitlines(), strict=False)
                )
            ]
            for name, blocks in self.blocks.items()
        }
        times = {
            name: [(block.committed_at, seq) for block in blocks for seq in _seqs(block)]
            for name, blocks in self.blocks.items()
        }
        return (
            *(self.account_list, self.topic_list, messages, times),
            *(self.subscription_list, self.producer_list),
        )

    async def open(self, *, there: bool) -> None: ...

    async def close(self) -> None: ...

    async def is_same(self, other: Copyable) -> bool:
        return self is other

    async def check_alone(self) -> None: ...

    async def has_been_used(self) -> bool:
        return self.used

    # what it has

    async def accounts(self) -> AsyncGenerator[Sequence[CopiedAccount], None]:
        entries = [self.account_list[key] for key in sorted(self.account_list)]
        for start in range(0, len(entries), CHUNK):
            yield entries[start : start + CHUNK]

    async def subscriptions(self) -> AsyncGenerator[Sequence[CopiedSubscription], None]:
        entries = [self.subscription_list[key] for key in sorted(self.subscription_list)]
        for start in range(0, len(entries), CHUNK):
            yield entries[start : start + CHUNK]

    async def producers(self) -> AsyncGenerator[Sequence[CopiedProducer], None]:
        entries = [self.producer_list[key] for key in sorted(self.producer_list)]
        for start in range(0, len(entries), CHUNK):
            yield entries[start : start + CHUNK]

    async def topics(self) -> list[CopiedTopic]:
        return [*self.topic_list.values()]

    async def read(self, topic: str, seq: int) -> Sequence[StoredBlock]:
        return [one for one in self.blocks[topic] if _last(one) >= seq][:CHUNK]

    # what it is given

    async def put_accounts(self, accounts: Sequence[CopiedAccount]) -> None:
        self._change()
        self.account_list |= {one.key: one for one in accounts}

    async def put_topics(self, topics: Sequence[CopiedTopic]) -> None:
        self._change()
        for topic in topics:
            there = self.topic_list.get(topic.name, replace(topic, head=0))
            self.topic_list[topic.name] = replace(topic, head=max(there.head, topic.tail))
            kept = [one for one in self.blocks.get(topic.name, []) if _last(one) > topic.tail]
            self.blocks[topic.name] = kept

    async def put_blocks(self, parts: Sequence[TopicBlocks]) -> None:
        for part in parts:
            self._change()  # each part for itself: what is before a fault is there
            for block in part.blocks:
                topic = self.topic_list[part.topic]
                if _last(block) > topic.head:
                    assert block.first_seq == topic.head + 1
                    assert all(not one or (one,) in self.account_list for one in block.publishers)
                    self.blocks[part.topic].append(block)
                    self.topic_list[part.topic] = replace(topic, head=_last(block))

    async def put_subscriptions(self, subscriptions: Sequence[CopiedSubscription]) -> None:
        self._change()
        for one in subscriptions:
            assert one.cursor <= self.topic_list[one.topic].head, "a cursor ahead of what is there"
            self.subscription_list[one.key] = one

    async def drop_subscriptions(self, subscriptions: Sequence[CopiedSubscription]) -> None:
        self._change()
        for one in subscriptions:
            del self.subscription_list[one.key]

    async def put_producers(self, producers: Sequence[CopiedProducer]) -> None:
        self._change()
        self.producer_list |= {one.key: one for one in producers}

    def _change(self) -> None:
        if self.calls_left is not None:
            if self.calls_left == 0:
                raise BrokenOff
            self.calls_left -= 1
        self.calls += 1


def _last(block: StoredBlock) -> int:
    return block.first_seq + block.count - 1


def _seqs(block: StoredBlock) -> range:
    return range(block.first_seq, block.first_seq + block.count)
