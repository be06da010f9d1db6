"""Two brokers' stores on the same data, and what a test does with them."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from broker.store.interface import Account, Batch, NewBlock, ProducerMark, TopicRecord
from broker.store.jetstream import JetStreamStore
from protocol.frames import encode_bodies, split_bodies
from protocol.names import Role

PLENTY = 2**20

_batch_ids = count(1)


class Side(JetStreamStore):
    """A store with what a test does all the time in few words."""

    async def account(self, email: str, role: Role = Role.PUBLISHER) -> Account:
        account = await self.create_account(email, role)
        assert account is not None
        return account

    async def topic(self, name: str, creator: Account) -> TopicRecord:
        topic = await self.create_topic(name, creator.id)
        assert topic is not None
        return topic

    async def begun(self, account: Account, producer: str = "p") -> ProducerMark:
        mark = await self.begin_producer(account.id, producer)
        assert mark is not None
        return mark

    async def session(self, account: Account) -> int:
        epoch = await self.begin_session(account.id)
        assert epoch is not None
        return epoch

    async def put(self, *blocks: NewBlock, marks: tuple[ProducerMark, ...] = ()) -> list[int]:
        return [*(await self.append(batch(*blocks, marks=marks))).first_seqs]

    async def texts(self, topic: TopicRecord, seq: int = 1) -> dict[int, str]:
        """Return all messages by seq, having checked that none is missing in between."""
        found: dict[int, str] = {}
        while blocks := await self.read(topic.id, seq, PLENTY):
            for one in blocks:
                assert not found or one.first_seq == max(found) + 1
                lines = [line.decode()[1:-2] for line in split_bodies(one.bodies)]
                found |= dict(enumerate(lines, one.first_seq))
            seq = max(found) + 1
        return found


def block(topic: TopicRecord, publisher: Account, *messages: str) -> NewBlock:
    return NewBlock(topic.id, len(messages), [publisher.id], encode_bodies(messages))


def batch(*blocks: NewBlock, marks: tuple[ProducerMark, ...] = ()) -> Batch:
    return Batch(next(_batch_ids), blocks, {one.topic_id: 0 for one in blocks}, marks)


@pytest.fixture
async def one(jetstream: str) -> AsyncIterator[Side]:
    store = Side(jetstream)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def other(jetstream: str, one: Side) -> AsyncIterator[Side]:
    store = Side(jetstream)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def shop(one: Side) -> Account:
    return await one.account("shop@b.c")


@pytest.fixture
async def orders(one: Side, shop: Account) -> TopicRecord:
    return await one.topic("ORDERS", shop)


@pytest.fixture
async def stock(one: Side, shop: Account) -> TopicRecord:
    return await one.topic("STOCK", shop)
