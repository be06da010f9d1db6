"""What every store that can be copied promises, shown on each of them."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from broker.store.copying import (
    CopiedAccount,
    CopiedProducer,
    CopiedSubscription,
    CopiedTopic,
    Copyable,
    TopicBlocks,
)
from broker.store.interface import StoredBlock
from broker.store.places import copyable
from protocol.frames import encode_bodies
from protocol.names import Role
from tests.doubles.memory_copy import MemoryCopy

KINDS = ["memory", "postgres", "jetstream"]
MADE = datetime(2023, 12, 31, 23, 59, 59, 999_999, UTC)
HOSTILE = "'; DROP \N{SNOWMAN}[red]\\%s{}\N{PILE OF POO}\""

T = TypeVar("T")

SHOP = CopiedAccount("shop@b.c", Role.PUBLISHER, "$argon2id$v=19$hash")
DEPOT = CopiedAccount("depot@b.c", Role.PUBLISHER, None)
# In the order of Unicode's code points, which a language's order is not: Z < a < é < the last two.
ANN = CopiedAccount("ann@b.c", Role.SUBSCRIBER, None)
ODD = [
    CopiedAccount(f"{odd}@b.c", Role.SUBSCRIBER, odd) for odd in ("\xe9", "\ufffd", "\U0001f4a9")
]
ACCOUNTS = [ANN, DEPOT, SHOP, *ODD]

ORDERS = CopiedTopic("ORDERS", "shop@b.c", MADE, 0, 0)
STOCK = CopiedTopic(HOSTILE, None, MADE + timedelta(days=1), 7, 7)


@pytest.fixture(params=KINDS)
def closed_store(request: pytest.FixtureRequest) -> Copyable:
    if request.param == "memory":
        return MemoryCopy()
    return copyable(
        request.getfixturevalue("database" if request.param == "postgres" else "jetstream")
    )


@pytest.fixture
async def store(closed_store: Copyable) -> AsyncIterator[Copyable]:
    await closed_store.open(there=False)
    yield closed_store
    await closed_store.close()


@pytest.fixture
async def filled(store: Copyable) -> Copyable:
    await store.put_accounts([SHOP, *ODD, DEPOT, ANN])
    await store.put_topics([STOCK, ORDERS])
    return store


async def all_of(chunks: AsyncGenerator[Sequence[T], None]) -> list[T]:
    return [entry async for chunk in chunks for entry in chunk]


def block(first_seq: int, *texts: str, by: tuple[str, ...] = ("shop@b.c",)) -> StoredBlock:
    at = MADE + timedelta(microseconds=first_seq)
    return StoredBlock(first_seq, len(texts), by, at, encode_bodies(texts))


async def read_all(store: Copyable, topic: str, seq: int = 1) -> list[StoredBlock]:
    found: list[StoredBlock] = []
    while more := await store.read(topic, seq):
        found += more
        seq = more[-1].first_seq + more[-1].count
    return found


async def heads(store: Copyable) -> dict[str, tuple[int, int]]:
    return {topic.name: (topic.tail, topic.head) for topic in await store.topics()}


async def test_an_empty_store_has_nothing_and_nobody_has_used_it(store: Copyable) -> None:
    assert await all_of(store.accounts()) == []
    assert await all_of(store.subscriptions()) == []
    assert await all_of(store.producers()) == []
    assert await store.topics() == []
    assert not await store.has_been_used()
    await store.check_alone()


async def test_accounts_come_back_by_code_point_with_their_hashes(filled: Copyable) -> None:
    assert await all_of(filled.accounts()) == ACCOUNTS
    assert not await filled.has_been_used()


async def test_an_account_that_is_put_again_gets_the_password(filled: Copyable) -> None:
    await filled.put_accounts([replace(SHOP, password_hash=None), replace(ANN, password_hash="h")])
    assert (await all_of(filled.accounts()))[:3] == [
        replace(ANN, password_hash="h"),
        DEPOT,
        replace(SHOP, password_hash=None),
    ]


async def test_topics_come_back_in_the_order_in_which_they_were_put(filled: Copyable) -> None:
    newest = [replace(ORDERS, name=name) for name in ("ZINC", "AIR")]
    await filled.put_topics(newest)
    assert await filled.topics() == [STOCK, ORDERS, *newest]
    await filled.put_topics([ORDERS, STOCK])
    assert await filled.topics() == [STOCK, ORDERS, *newest]


async def test_a_topic_that_is_put_again_gets_the_creator(filled: Copyable) -> None:
    await filled.put_topics([replace(STOCK, creator="depot@b.c"), replace(ORDERS, creator=None)])
    assert [topic.creator for topic in await filled.topics()] == ["depot@b.c", None]


async def test_blocks_come_back_as_they_were_put(filled: Copyable) -> None:
    blocks = [
        block(1, "a", HOSTILE, "", by=("shop@b.c", "", "depot@b.c")),
        block(4, "d"),
        block(5, "e", "f", by=("",)),
        block(7, "x" * 100_000, by=("depot@b.c",)),
    ]
    other = [block(8, "first after the tail")]
    await filled.put_blocks(
        [
            TopicBlocks("ORDERS", blocks[:2]),
            TopicBlocks(HOSTILE, other),
            TopicBlocks("ORDERS", blocks[2:]),
        ]
    )
    assert await read_all(filled, "ORDERS") == blocks
    assert await read_all(filled, HOSTILE) == other
    assert await read_all(filled, "ORDERS", 3) == blocks, "the block that holds it comes whole"
    assert await read_all(filled, "ORDERS", 5) == blocks[2:]
    assert await heads(filled) == {HOSTILE: (7, 8), "ORDERS": (0, 7)}


async def test_blocks_that_are_put_again_are_there_once(filled: Copyable) -> None:
    blocks = [block(1, "a", "b"), block(3, "c"), block(4, "d")]
    await filled.put_blocks([TopicBlocks("ORDERS", blocks[:2])])
    await filled.put_blocks([TopicBlocks("ORDERS", blocks)])
    await filled.put_blocks([TopicBlocks("ORDERS", blocks[1:])])
    assert await read_all(filled, "ORDERS") == blocks
    assert await heads(filled) == {HOSTILE: (7, 7), "ORDERS": (0, 4)}


async def test_a_tail_that_has_moved_takes_messages_out(filled: Copyable) -> None:
    blocks = [block(seq, str(seq)) for seq in range(1, 6)]
    await filled.put_blocks([TopicBlocks("ORDERS", blocks)])
    await filled.put_topics([replace(ORDERS, tail=3, head=9)])
    assert await read_all(filled, "ORDERS") == blocks[3:]
    assert await heads(filled) == {HOSTILE: (7, 7), "ORDERS": (3, 5)}
    await filled.put_topics([replace(ORDERS, tail=8, head=9)])
    assert await read_all(filled, "ORDERS") == []
    assert await heads(filled) == {HOSTILE: (7, 7), "ORDERS": (8, 8)}
    await filled.put_blocks([TopicBlocks("ORDERS", [block(9, "nine")])])
    assert await read_all(filled, "ORDERS") == [block(9, "nine")]


async def test_subscriptions_are_put_moved_and_dropped(filled: Copyable) -> None:
    await filled.put_blocks([TopicBlocks("ORDERS", [block(1, "a", "b")])])
    odd = CopiedSubscription(ODD[2].email, "ORDERS", 1)
    ann = CopiedSubscription("ann@b.c", HOSTILE, 3)  # behind the tail
    await filled.put_subscriptions([odd, CopiedSubscription("ann@b.c", "ORDERS", 2), ann])
    assert await all_of(filled.subscriptions()) == [
        *([ann, CopiedSubscription("ann@b.c", "ORDERS", 2)]),
        odd,
    ]
    await filled.put_subscriptions([replace(odd, cursor=2), replace(ann, cursor=1)])
    await filled.drop_subscriptions([CopiedSubscription("ann@b.c", "ORDERS", 0)])
    assert await all_of(filled.subscriptions()) == [
        replace(ann, cursor=1),
        replace(odd, cursor=2),
    ]


async def test_producers_are_put_and_put_again(filled: Copyable) -> None:
    mine = CopiedProducer("shop@b.c", HOSTILE, 2**63 - 1, (1, 5, 2**62, 2**62))
    none = CopiedProducer("depot@b.c", "p", 0, ())
    await filled.put_producers([mine, none])
    assert await all_of(filled.producers()) == [none, mine]
    await filled.put_producers([replace(mine, refused=()), replace(none, last_id=3)])
    assert await all_of(filled.producers()) == [
        replace(none, last_id=3),
        replace(mine, refused=()),
    ]
