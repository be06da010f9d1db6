"""The cache of recent blocks: what is found, and what goes first."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from broker.block import Block
from broker.cache import BlockCache
from protocol.frames import Delivery, encode_bodies

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PLENTY = 2**20


def block(first_seq: int, count: int = 1, *, topic: str = "T", length: int = 1) -> Block:
    bodies = encode_bodies(["x" * length] * count)
    return Block(topic, first_seq, count, ("p@b.c",), NOON, bodies)


def cache_of(*blocks: Block, limit_bytes: int = PLENTY) -> BlockCache:
    cache = BlockCache(limit_bytes)
    for one in blocks:
        cache.add(one)
    return cache


def test_a_block_is_found_by_every_seq_it_holds() -> None:
    first, second = block(3, 2), block(5, 3)
    cache = cache_of(first, second)
    expected = {2: None, 3: first, 4: first, 5: second, 7: second, 8: None}
    assert {seq: cache.find("T", seq) for seq in expected} == expected


def test_topics_do_not_mix() -> None:
    mine, other = block(1), block(1, topic="U")
    cache = cache_of(mine, other)
    assert cache.find("T", 1) is mine
    assert cache.find("U", 1) is other
    assert cache.find("V", 1) is None


def test_blocks_may_be_added_in_any_order() -> None:
    blocks = [block(1), block(2, 3), block(5), block(9, 2)]
    cache = cache_of(blocks[2], blocks[0], blocks[3], blocks[1])
    assert [cache.find("T", seq) for seq in (1, 2, 4, 5, 9, 10)] == [
        blocks[0],
        blocks[1],
        blocks[1],
        blocks[2],
        blocks[3],
        blocks[3],
    ]
    assert cache.find("T", 7) is None


def test_a_block_that_is_there_is_kept_and_counted_once() -> None:
    first = block(1, 3)
    cache = cache_of(first)
    size = cache.size
    cache.add(block(1, 3))
    assert cache.find("T", 2) is first
    assert cache.size == size


def test_the_least_recently_used_goes_first() -> None:
    blocks = [block(1), block(2), block(3)]
    cache = cache_of(*blocks, limit_bytes=3 * blocks[0].size)
    cache.find("T", 1)
    cache.add(block(4))
    assert [cache.find("T", seq) is not None for seq in (1, 2, 3, 4)] == [True, False, True, True]


def test_a_block_over_the_limit_is_not_kept() -> None:
    cache = cache_of(block(1, length=1_000), limit_bytes=1_000)
    assert cache.find("T", 1) is None
    assert cache.size == 0


def test_a_frame_is_made_once_for_all_who_want_it() -> None:
    first = block(1, 3)
    cache = cache_of(first)
    frames = {id(cache.frame(first, 1, Delivery.BROADCAST)) for _ in range(5)}
    assert len(frames) == 1
    assert cache.encodings == 1
    assert cache.frame(first, 1, Delivery.BROADCAST) == first.frame(1, Delivery.BROADCAST)


def test_each_version_and_action_has_a_frame_of_its_own() -> None:
    first = block(1, 3)
    cache = cache_of(first)
    for version in (1, 2):
        for action in Delivery:
            assert cache.frame(first, version, action) == first.frame(version, action)
    assert cache.encodings == 4


def test_frames_count_and_go_with_their_block() -> None:
    first = block(1)
    cache = cache_of(first, limit_bytes=first.size + 10)
    frame = cache.frame(first, 1, Delivery.UNREAD)
    assert frame == first.frame(1, Delivery.UNREAD)
    assert cache.find("T", 1) is None
    assert cache.size == 0


def test_a_block_that_is_not_kept_gets_its_frame_all_the_same() -> None:
    cache, part = cache_of(), block(1)
    assert cache.frame(part, 2, Delivery.UNREAD) == part.frame(2, Delivery.UNREAD)
    assert cache.size == 0


def test_a_block_that_holds_more_takes_the_place_of_those_that_it_overlaps() -> None:
    before, first, second, after = block(1), block(2, 2), block(4, 2), block(8)
    cache = cache_of(before, first, second, after)
    cache.frame(first, 1, Delivery.UNREAD)
    merged = block(3, 4)
    cache.add(merged)
    expected = {1: before, 2: None, 3: merged, 6: merged, 7: None, 8: after}
    assert {seq: cache.find("T", seq) for seq in expected} == expected
    assert cache.size == before.size + merged.size + after.size


def test_a_part_of_a_block_that_is_there_is_not_kept() -> None:
    whole = block(1, 5)
    cache = cache_of(whole, block(6))
    size = cache.size
    for part in (block(1, 2), block(2, 3), block(5), block(1, 5)):
        cache.add(part)
    assert {cache.find("T", seq) for seq in range(1, 6)} == {whole}
    assert cache.size == size


def test_a_part_that_is_read_again_keeps_the_whole_among_the_newest() -> None:
    whole, other = block(1, 2), block(3)
    cache = cache_of(whole, other, limit_bytes=whole.size + other.size)
    cache.add(block(2))
    cache.add(block(4))
    assert cache.find("T", 1) is whole
    assert cache.find("T", 3) is None


@given(
    limit_bytes=st.integers(600, 6_000),
    added=st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 8), st.integers(1, 600), st.booleans()),
        max_size=40,
    ),
)
def test_whatever_overlaps_no_two_blocks_of_a_topic_do_and_the_size_is_right(
    limit_bytes: int, added: list[tuple[int, int, int, bool]]
) -> None:
    cache = BlockCache(limit_bytes)
    framed: set[Block] = set()
    for first_seq, count, length, wants_frame in added:
        there = [cache.find("T", seq) for seq in range(first_seq, first_seq + count)]
        one = block(first_seq, count, length=length)
        cache.add(one)
        if there[0] is not None and set(there) == {there[0]}:
            assert cache.find("T", first_seq) is there[0]  # it held all of it
        elif one.size <= limit_bytes:
            assert {cache.find("T", seq) for seq in range(first_seq, first_seq + count)} == {one}
        if wants_frame and cache.find("T", first_seq) is one:
            cache.frame(one, 1, Delivery.UNREAD)
            framed.add(one)
        found = [(seq, cache.find("T", seq)) for seq in range(1, 40)]
        kept = {block for _, block in found if block is not None}
        for seq, held in found:
            assert all((each is held) == (each.first_seq <= seq <= each.last_seq) for each in kept)
        frames = sum(len(each.frame(1, Delivery.UNREAD)) for each in kept & framed)
        assert cache.size == sum(each.size for each in kept) + frames <= limit_bytes


@given(
    limit_bytes=st.integers(600, 6_000),
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "find", "frame"]), st.sampled_from("TU"), st.integers(0)),
        max_size=60,
    ),
)
def test_whatever_is_done_the_size_is_right_and_within_the_limit(
    limit_bytes: int, steps: list[tuple[str, str, int]]
) -> None:
    cache = BlockCache(limit_bytes)
    added: dict[str, list[Block]] = {"T": [], "U": []}
    frames: dict[Block, set[tuple[int, Delivery]]] = {}
    for action, topic, number in steps:
        blocks = added[topic]
        if action == "add" and number % 3:
            first_seq = blocks[-1].last_seq + 1 if blocks else 1
            blocks.append(block(first_seq, 1 + number % 4, topic=topic, length=number % 700))
            cache.add(blocks[-1])
            frames[blocks[-1]] = set()
        elif blocks:
            one = blocks[number % len(blocks)]
            if action == "frame":
                version, kind = 1 + number % 2, [*Delivery][number % 2]
                assert cache.frame(one, version, kind) == one.frame(version, kind)
                frames[one].add((version, kind))
            elif action == "add" and cache.find(topic, one.first_seq) is None:
                cache.add(one)  # read from the store again
                frames[one] = set()
        kept = [one for one in frames if cache.find(one.topic_name, one.first_seq) is one]
        for one in set(frames) - set(kept):
            frames[one] = set()
            assert cache.find(one.topic_name, one.last_seq) is None
        in_frames = sum(len(one.frame(*key)) for one in kept for key in frames[one])
        assert cache.size == sum(one.size for one in kept) + in_frames <= limit_bytes
