"""Reading blocks for those who are behind: whatever a read does, nobody waits for ever."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import AsyncMock, Mock

import pytest

from broker.block import Block
from broker.cache import BlockCache
from broker.delivery import Reader
from broker.fetcher import Fetcher
from broker.store.errors import StoreLost
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


def behind(reads: list[int], count: int) -> tuple[Mock, Topic]:
    """Return a store that notes what is read, and a topic of so many blocks of a message."""

    async def read(_: int, seq: int, *__: object) -> list[StoredBlock]:
        reads.append(seq)
        return [replace(STORED, first_seq=seq)]

    there = topic()
    there.head = count
    return Mock(read=read), there


async def served_with_the_first(fetcher: Fetcher, there: Topic) -> None:
    """Have a reader want the first block, and return when nothing more is read on its behalf."""
    came = asyncio.Event()
    fetcher.arrived = lambda *_: came.set()
    fetcher.want(Mock(), there, 1)
    await came.wait()
    await asyncio.sleep(0.01)
    await fetcher.close()


async def test_what_comes_next_is_read_while_a_block_is_delivered_and_no_more() -> None:
    reads: list[int] = []
    at_delivery: list[list[int]] = []
    came = asyncio.Event()
    store, there = behind(reads, 9)
    cache = BlockCache(100_000)
    fetcher = Fetcher(store, cache, 1_000, LIMITS, StoreHealth())

    def arrive(*_: object) -> None:
        at_delivery.append([*reads])
        came.set()

    fetcher.arrived = arrive
    fetcher.want(Mock(), there, 1)
    await came.wait()
    await asyncio.sleep(0.01)
    assert at_delivery == [[1, 2]]
    assert reads == [1, 2]
    assert cache.find("T", 2) is not None
    await fetcher.close()


async def test_who_comes_to_what_is_being_read_ahead_waits_for_that() -> None:
    reads: list[int] = []
    came: list[int] = []
    done = asyncio.Event()
    store, there = behind(reads, 2)
    fetcher = Fetcher(store, BlockCache(100_000), 1_000, LIMITS, StoreHealth())

    def arrive(_: Reader, __: Topic, seq: int, *___: object) -> None:
        came.append(seq)
        if seq == 1:
            fetcher.want(Mock(), there, 2)
        else:
            done.set()

    read = store.read

    async def read_slowly(*arguments: int) -> object:
        await asyncio.sleep(0.005)
        return await read(*arguments)

    store.read = read_slowly
    fetcher.arrived = arrive
    fetcher.want(Mock(), there, 1)
    await done.wait()
    assert (came, reads) == ([1, 2], [1, 2])
    await fetcher.close()


async def test_nothing_is_read_ahead_that_is_in_the_cache() -> None:
    reads: list[int] = []
    store, there = behind(reads, 9)
    fetcher = Fetcher(store, BlockCache(100_000), 1_000, LIMITS, StoreHealth())
    await fetcher.read(there, 2)
    await served_with_the_first(fetcher, there)
    assert reads == [2, 1]


async def test_nothing_is_read_ahead_that_a_small_cache_would_lose_again() -> None:
    reads: list[int] = []
    store, there = behind(reads, 9)
    fetcher = Fetcher(store, BlockCache(7_999), 1_000, LIMITS, StoreHealth())
    await served_with_the_first(fetcher, there)
    assert reads == [1]


async def test_what_could_not_be_read_ahead_is_read_when_it_is_wanted() -> None:
    asked: list[int] = []
    came = [asyncio.Event(), asyncio.Event()]

    async def read(_: int, seq: int, *__: object) -> list[StoredBlock]:
        asked.append(seq)
        if asked == [1, 2]:
            raise StoreLost("away")
        return [replace(STORED, first_seq=seq)]

    there = topic()
    there.head = 2
    health = StoreHealth()
    fetcher = Fetcher(Mock(read=read), BlockCache(100_000), 1_000, LIMITS, health)
    fetcher.arrived = lambda _, __, seq, *___: came[seq - 1].set()
    fetcher.want(Mock(), there, 1)
    await came[0].wait()
    await asyncio.sleep(0.01)
    assert asked == [1, 2]
    assert health.answers  # nobody would ask again, and so nobody would hear that it does
    fetcher.want(Mock(), there, 2)
    await came[1].wait()
    assert asked == [1, 2, 2]
    await fetcher.close()
