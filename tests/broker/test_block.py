"""Blocks: their seqs, their parts and their bytes."""

import json
from datetime import UTC, datetime

import pytest

from broker.block import OVERHEAD_BYTES, Block
from protocol.frames import Delivery, encode_bodies

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def block(
    messages: str | list[str], *, first_seq: int = 1, publishers: tuple[str, ...] = ("p@b.c",)
) -> Block:
    return Block("T", first_seq, len(messages), publishers, NOON, encode_bodies([*messages]))


def test_the_last_seq_is_that_of_the_last_message() -> None:
    assert block("abc", first_seq=7).last_seq == 9
    assert block("a", first_seq=7).last_seq == 7


def test_the_size_counts_bodies_publishers_and_what_a_block_costs() -> None:
    assert block("abc").size == OVERHEAD_BYTES + len(b'"a"\n') * 3 + 8
    assert block("ab", publishers=("p@b.c", "q@b.c")).size == OVERHEAD_BYTES + 8 + 16


def test_a_part_holds_the_seqs_that_are_asked_for_and_there() -> None:
    whole = block("abcde", first_seq=10)
    for first, last, held in [
        (10, 14, "abcde"),
        (1, 99, "abcde"),
        (10, 10, "a"),
        (12, 13, "cd"),
        (14, 99, "e"),
        (1, 11, "ab"),
    ]:
        part = whole.part(first, last)
        assert part.bodies == encode_bodies(held)
        assert part.count == len(held)
        assert part.first_seq == max(first, 10)
        assert part.last_seq == min(last, 14)
        assert (part.topic_name, part.publishers, part.committed_at) == ("T", ("p@b.c",), NOON)


def test_a_part_of_a_mixed_block_keeps_each_message_with_its_publisher() -> None:
    publishers = ("p@b.c", "q@b.c", "p@b.c", "r@b.c")
    part = block("abcd", publishers=publishers).part(2, 3)
    assert tuple(part.publishers) == ("q@b.c", "p@b.c")


def test_a_part_of_one_message_of_a_mixed_block_has_its_publisher() -> None:
    assert tuple(block("ab", publishers=("p@b.c", "q@b.c")).part(2, 2).publishers) == ("q@b.c",)


@pytest.mark.parametrize("action", Delivery)
def test_version_1_gets_a_line_a_message(action: Delivery) -> None:
    lines = block(["a", "b\nc", '"\\\0ü']).frame(1, action).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"action": action, "message": text} for text in ("a", "b\nc", '"\\\0ü')
    ]


@pytest.mark.parametrize("action", Delivery)
def test_version_2_gets_one_line_a_block(action: Delivery) -> None:
    texts = ["a", "b\nc", '"\\\0ü']
    publishers = ("p@b.c", "q@b.c", "p@b.c")
    frame = block(texts, first_seq=5, publishers=publishers).frame(2, action)
    assert frame.count(b"\n") == 1
    assert json.loads(frame) == {
        "action": action,
        "topic_name": "T",
        "seq": 5,
        "messages": texts,
        "publishers": [*publishers],
        "published_at": "2026-05-04T12:00:00Z",
    }
