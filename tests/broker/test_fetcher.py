"""Reading blocks for those who are behind: whatever a read does, nobody waits for ever."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from unittest.mock import AsyncMock, Mock

import pytest

from broker.block import Block
from broker.cache import BlockCache
from broker.delivery import Reader
from broker.fetcher import Fetcher
from broker.store.interface import StoredBlock, TopicRecord
from broker.store_health import StoreHealth
from broker.topic_messages import BlockLimits
from broker.topics import Topic, Topics
from protocol.frames import encode_bodies

NOW = datetime(2026, 5, 4, tzinfo=UTC)
LIMITS = BlockLimits(3, 1_000)
STORED = StoredBlock(1, 1, ("a@b.c",), NOW, b'"x"\n')


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.fetcher.RETRY_S", 0)
    monkeypatch.setattr("broker.fetcher.LONGEST_READ_S", 0.02)


def topic() -> Topic:
    made = Topics().add(TopicRecord(1, "T", 1, NOW))
    assert made is not None
    return made


async def never(*_: object) -> list[StoredBlock]:
    await asyncio.Event().wait()
    return []


@pytest.mark.parametrize("first", [never, ZeroDivisionError])
async def test_a_read_that_hangs_or_fails_is_begun_anew(first: object) -> None:
    answers = iter([first])

    async def read(*_: object) -> list[StoredBlock]:
        trouble = next(answers, None)
        if trouble is never:
            return await never()
        if trouble is not None:
            raise ZeroDivisionError
        return [STORED]

    came = asyncio.Event()
    fetcher = Fetcher(Mock(read=read), BlockCache(1_000), 1_000, LIMITS, StoreHealth())
    fetcher.arrived = lambda *_: came.set()
    fetcher.want(Mock(), topic(), 1)
    await came.wait()
    await fetcher.close()


async def test_a_reader_that_cannot_be_served_does_not_keep_the_others_waiting() -> None:
    served: list[Reader] = []

    def arrive(reader: Reader, _: Topic, __: int, ___: Sequence[Block], ____: int) -> None:
        served.append(reader)
        if len(served) == 1:
            raise ZeroDivisionError
        came.set()

    came = asyncio.Event()
    fetcher = Fetcher(
        Mock(read=AsyncMock(return_value=[STORED])), BlockCache(1_000), 1_000, LIMITS, StoreHealth()
    )
    fetcher.arrived = arrive
    readers, wanted = [Mock(), Mock()], topic()
    for reader in readers:
        fetcher.want(reader, wanted, 1)
    await came.wait()
    assert served == readers
    await fetcher.close()


async def test_of_a_block_that_goes_past_the_head_only_what_is_known_is_kept() -> None:
    merged = StoredBlock(1, 3, ("a@b.c", "b@b.c", "c@b.c"), NOW, b'"x"\n"y"\n"z"\n')
    cache, there = BlockCache(10_000), topic()
    fetcher = Fetcher(
        Mock(read=AsyncMock(return_value=[merged])), cache, 1_000, LIMITS, StoreHealth()
    )
    there.head = 2
    (block,) = await fetcher.read(there, 1)
    assert (block.first_seq, block.last_seq, block.bodies) == (1, 2, b'"x"\n"y"\n')
    assert block.publishers == ("a@b.c", "b@b.c")
    there.head = 3
    (block,) = await fetcher.read(there, 3)
    assert cache.find("T", 1) is cache.find("T", 3) is block


async def test_a_block_that_a_store_has_made_of_several_is_cut_within_the_limits() -> None:
    long, there = "l" * 600, topic()
    there.head = 6
    bodies = encode_bodies(["1", "2", "3", "4", long, long])
    who = ("a@b.c", "b@b.c", "b@b.c", "a@b.c", "a@b.c", "a@b.c")
    store = Mock(read=AsyncMock(return_value=[StoredBlock(1, 6, who, NOW, bodies)]))
    fetcher = Fetcher(store, BlockCache(10_000), 1_000, LIMITS, StoreHealth())
    blocks = await fetcher.read(there, 1)
    assert [(block.first_seq, block.count) for block in blocks] == [(1, 3), (4, 2), (6, 1)]
    assert [block.publishers for block in blocks] == [who[:3], ("a@b.c",), ("a@b.c",)]
    assert b"".join(block.bodies for block in blocks) == bodies
