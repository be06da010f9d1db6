"""Delivery: live and behind, turns, actions, and what counts as confirmed."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from broker import delivery as delivery_module
from broker.block import Block
from broker.cache import BlockCache
from broker.cursor import Cursor
from broker.delivery import TURN_BLOCKS, Delivery, Reader
from broker.topics import Topic
from protocol.frames import encode_bodies
from tests.doubles.outlet import FakeOutlet

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PLENTY = 2**20


class Bench:
    """A delivery whose fetches wait for the test, and the store they read."""

    def __init__(self, cache_bytes: int = PLENTY) -> None:
        self.cache = BlockCache(cache_bytes)
        self.fetches: list[tuple[Reader, Topic, int]] = []
        self.moved: list[tuple[str, int]] = []
        self.blocks: dict[Topic, list[Block]] = {}
        self.resting: list[Reader] = []
        self.delivery = Delivery(self.cache, self._fetch, self._cursor_moved, self.resting.append)

    def _fetch(self, reader: Reader, topic: Topic, seq: int) -> None:
        self.fetches.append((reader, topic, seq))

    def _cursor_moved(self, cursor: Cursor) -> None:
        self.moved.append((cursor.topic.name, cursor.confirmed))

    def topic(self, name: str = "T") -> Topic:
        topic = Topic(len(self.blocks) + 1, name, 0)
        self.blocks[topic] = []
        return topic

    def publish(self, topic: Topic, messages: str, *, cached: bool = True) -> Block:
        bodies = encode_bodies([*messages])
        block = Block(topic.name, topic.head + 1, len(messages), ("p@b.c",), NOON, bodies)
        self.blocks[topic].append(block)
        if cached:
            self.cache.add(block)
        topic.head = block.last_seq
        self.delivery.deliver(topic, block)
        return block

    def reader(self, version: int = 2) -> tuple[FakeOutlet, Reader]:
        outlet = FakeOutlet()
        return outlet, Reader(outlet, version)

    def attach(
        self, reader: Reader, topic: Topic, place: int | None = None, unread: int | None = None
    ) -> Cursor:
        place = topic.head if place is None else place
        unread = topic.head if unread is None else unread
        cursor = Cursor(reader, 1, topic, place, place, unread)
        self.delivery.attach(cursor)
        return cursor

    def answer_fetch(self, blocks: Sequence[Block] | None = None, head: int | None = None) -> None:
        """Answer the oldest fetch as the store does, or with `blocks` as of `head`."""
        reader, topic, seq = self.fetches.pop(0)
        if blocks is None:
            blocks = [block for block in self.blocks[topic] if block.last_seq >= seq]
        self.delivery.arrived(reader, topic, seq, blocks, topic.head if head is None else head)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# live


def test_a_live_subscription_gets_each_block_as_it_is_committed(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    cursor = bench.attach(reader, topic)
    bench.publish(topic, "ab")
    bench.publish(topic, "c")
    assert outlet.lines_v2() == [
        ("broadcast", "T", 1, "a"),
        ("broadcast", "T", 2, "b"),
        ("broadcast", "T", 3, "c"),
    ]
    assert len(outlet.frames) == 2
    assert (cursor.sent, cursor.confirmed) == (3, 0)
    assert bench.fetches == []


def test_what_was_read_before_the_answer_to_its_commit_came_is_not_sent_again(
    bench: Bench,
) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    cursor = bench.attach(reader, topic)
    bodies = encode_bodies(["a", "b"])
    block = Block("T", 1, 2, ("p@b.c",), NOON, bodies)
    bench.blocks[topic].append(block)
    topic.head = 2  # another broker has told so, or the store
    bench.delivery.head_moved(topic)
    bench.answer_fetch()
    bench.delivery.deliver(topic, block)  # the answer has come
    assert [text for *_, text in outlet.lines_v2()] == ["a", "b"]
    assert cursor in topic.live
    assert bench.fetches == []
    assert not reader.behind


def test_all_subscribers_of_a_version_get_the_very_same_bytes(bench: Bench) -> None:
    topic = bench.topic()
    readers = [bench.reader(version) for version in (1, 2, 1, 2, 1)]
    for _, reader in readers:
        bench.attach(reader, topic)
    bench.publish(topic, "abc")
    first, second, *others = [outlet.frames[0] for outlet, _ in readers]
    assert first is others[0] is others[2]
    assert second is others[1]
    assert bench.cache.encodings == 2


def test_a_detached_subscription_gets_nothing_more(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    cursor = bench.attach(reader, topic)
    bench.publish(topic, "a")
    bench.delivery.detach(cursor)
    bench.publish(topic, "b")
    assert [line[3] for line in outlet.lines_v2()] == ["a"]
    assert not topic.live
    assert not reader.cursors


# behind


def test_what_was_published_before_comes_as_unread_and_the_rest_as_broadcast(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    bench.publish(topic, "abc")
    bench.publish(topic, "de")
    bench.attach(reader, topic, place=1)
    bench.publish(topic, "f")
    assert [(action, seq) for action, _, seq, _ in outlet.lines_v2()] == [
        ("unread", 2),
        ("unread", 3),
        ("unread", 4),
        ("unread", 5),
        ("broadcast", 6),
    ]
    assert len(topic.live) == 1


def test_a_block_that_is_unread_only_in_part_is_sent_in_two_actions(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    bench.publish(topic, "abcd")
    bench.attach(reader, topic, place=1, unread=3)
    assert [(action, seq) for action, _, seq, _ in outlet.lines_v2()] == [
        ("unread", 2),
        ("unread", 3),
        ("broadcast", 4),
    ]


def test_a_congested_connection_falls_behind_and_goes_on_where_it_was(bench: Bench) -> None:
    topic, (outlet, reader), (fast, other) = bench.topic(), bench.reader(), bench.reader()
    bench.attach(reader, topic)
    bench.attach(other, topic)
    outlet.congested_after = 1
    for message in "abcd":
        bench.publish(topic, message)
    assert [line[3] for line in outlet.lines_v2()] == ["a"]
    assert [line[3] for line in fast.lines_v2()] == [*"abcd"]
    outlet.drain()
    bench.delivery.advance(reader)
    assert [line[3] for line in outlet.lines_v2()] == [*"abcd"]
    assert {line[0] for line in outlet.lines_v2()} == {"broadcast"}
    bench.publish(topic, "e")
    assert outlet.lines_v2()[-1][3] == "e"


def test_topics_take_turns_a_block_each(bench: Bench) -> None:
    one, other, (outlet, reader) = bench.topic("T"), bench.topic("U"), bench.reader()
    for message in "abc":
        bench.publish(one, message)
        bench.publish(other, message)
    outlet.congested = True
    bench.attach(reader, one, place=0)
    bench.attach(reader, other, place=0)
    outlet.drain()
    bench.delivery.advance(reader)
    assert [line[1] for line in outlet.lines_v2()] == ["T", "U", "T", "U", "T", "U"]


def test_blocks_that_are_not_in_the_cache_are_fetched(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    bench.publish(topic, "ab", cached=False)
    bench.publish(topic, "cd", cached=False)
    bench.attach(reader, topic, place=1)
    assert bench.fetches == [(reader, topic, 2)]
    bench.publish(topic, "e")
    assert outlet.frames == []
    bench.answer_fetch()
    assert [line[3] for line in outlet.lines_v2()] == [*"bcde"]


def test_one_fetch_at_a_time_is_under_way_for_a_reader(bench: Bench) -> None:
    one, other, (outlet, reader) = bench.topic("T"), bench.topic("U"), bench.reader()
    for topic in (one, other):
        bench.publish(topic, "a", cached=False)
    bench.attach(reader, one, place=0)
    bench.attach(reader, other, place=0)
    assert len(bench.fetches) == 1
    bench.answer_fetch()
    assert len(bench.fetches) == 1
    bench.answer_fetch()
    assert [line[1] for line in outlet.lines_v2()] == ["T", "U"]
    assert bench.fetches == []


def test_fetched_blocks_stop_at_a_full_buffer_and_go_on_later(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    for message in "abc":
        bench.publish(topic, message, cached=False)
    bench.attach(reader, topic, place=0)
    outlet.congested_after = 1
    bench.answer_fetch()
    assert [line[3] for line in outlet.lines_v2()] == ["a"]
    outlet.drain()
    bench.delivery.advance(reader)
    bench.answer_fetch()
    assert [line[3] for line in outlet.lines_v2()] == [*"abc"]


def test_an_answer_that_comes_too_late_is_harmless(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    bench.publish(topic, "a", cached=False)
    cursor = bench.attach(reader, topic, place=0)
    bench.delivery.detach(cursor)
    bench.answer_fetch()
    assert outlet.frames == []
    bench.attach(reader, topic)
    bench.publish(topic, "b")
    assert [line[3] for line in outlet.lines_v2()] == ["b"]


def test_an_answer_for_the_place_before_is_used_as_far_as_it_fits(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    for message in "abcd":
        bench.publish(topic, message, cached=False)
    cursor = bench.attach(reader, topic, place=2)
    bench.delivery.detach(cursor)
    bench.attach(reader, topic, place=0)  # put back to the start while blocks from 3 on are read
    bench.answer_fetch()
    while bench.fetches:
        bench.answer_fetch()
    assert [line[2] for line in outlet.lines_v2()] == [1, 2, 3, 4]


@pytest.mark.parametrize("left", ["", "e"])
def test_messages_that_somebody_took_out_of_the_store_are_skipped(bench: Bench, left: str) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    for message in "abcd" + left:
        bench.publish(topic, message, cached=False)
    bench.attach(reader, topic, place=0)
    bench.answer_fetch([block for block in bench.blocks[topic] if block.first_seq == 5])
    bench.publish(topic, "f")
    gap, *others = outlet.lines_v2()
    assert gap == ("gap", "T", 1, "4")
    assert [line[3] for line in others] == [*left, "f"]


def test_what_somebody_else_appended_is_fetched_before_what_follows_it(bench: Bench) -> None:
    topic, (outlet, reader), (_, other) = bench.topic(), bench.reader(), bench.reader()
    bench.attach(reader, topic)
    bench.publish(topic, "a")
    theirs = Block(topic.name, 2, 2, ("p@b.c",), NOON, encode_bodies(["b", "c"]))
    bench.blocks[topic].append(theirs)
    topic.head = theirs.last_seq
    bench.attach(other, topic)
    bench.publish(topic, "d")
    bench.answer_fetch()
    assert [line[2:] for line in outlet.lines_v2()] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    bench.publish(topic, "e")
    assert outlet.lines_v2()[-1][2:] == (5, "e")
    assert bench.fetches == []


def test_what_was_committed_while_nothing_was_found_is_not_skipped(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    bench.publish(topic, "a", cached=False)
    bench.attach(reader, topic, place=0)
    bench.publish(topic, "b")
    bench.answer_fetch([], head=1)
    assert [line[2:] for line in outlet.lines_v2()] == [(1, "1"), (2, "b")]


def test_a_gap_in_the_middle_of_what_was_fetched_is_skipped_too(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    for message in "abcd":
        bench.publish(topic, message, cached=False)
    bench.attach(reader, topic, place=0)
    del bench.blocks[topic][1:3]
    while bench.fetches:
        bench.answer_fetch()
    assert outlet.lines_v2() == [
        ("unread", "T", 1, "a"),
        ("gap", "T", 2, "3"),
        ("unread", "T", 4, "d"),
    ]


# what is not kept any more


def expire(bench: Bench, topic: Topic, up_to: int) -> None:
    """Let everything up to `up_to` be gone from the store."""
    bench.blocks[topic] = [block for block in bench.blocks[topic] if block.first_seq > up_to]
    topic.take_out(up_to)


def test_who_comes_back_to_what_is_gone_is_told_in_its_place(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    for message in "abcd":
        bench.publish(topic, message)
    expire(bench, topic, 3)
    cursor = bench.attach(reader, topic, place=1)
    bench.publish(topic, "e")
    assert outlet.lines_v2() == [
        ("gap", "T", 2, "3"),
        ("unread", "T", 4, "d"),
        ("broadcast", "T", 5, "e"),
    ]
    assert (cursor.confirmed, bench.moved) == (1, [])  # that is for the subscriber to say
    bench.delivery.acknowledge(cursor, 3)
    assert bench.moved == [("T", 3)]


def test_where_all_is_gone_the_subscription_is_live_and_caught_up(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    bench.publish(topic, "ab")
    expire(bench, topic, 2)
    told: list[str] = []
    reader.when_caught_up = lambda: told.append("caught up")
    bench.attach(reader, topic, place=0)
    assert told == ["caught up"]
    assert [*topic.live] == [reader.cursors[topic]]
    bench.publish(topic, "c")
    assert [line[:3] for line in outlet.lines_v2()] == [("gap", "T", 1), ("broadcast", "T", 3)]


def test_in_version_1_what_is_gone_is_passed_over_and_counts_as_confirmed(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader(version=1)
    for message in "abc":
        bench.publish(topic, message)
    expire(bench, topic, 2)
    cursor = bench.attach(reader, topic, place=0)
    assert outlet.lines_v1() == [("unread", "c")]
    assert (cursor.confirmed, bench.moved) == (2, [("T", 2)])


def test_who_is_slow_is_told_once_it_can_take_that(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    bench.attach(reader, topic)
    outlet.congested_after = 1
    for message in "abc":
        bench.publish(topic, message)
    expire(bench, topic, 2)
    assert [line[2] for line in outlet.lines_v2()] == [1]
    outlet.drain()
    bench.delivery.advance(reader)
    assert [line[:3] for line in outlet.lines_v2()[1:]] == [("gap", "T", 2), ("broadcast", "T", 3)]


def test_what_went_while_it_was_read_is_not_delivered(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    for message in "abc":
        bench.publish(topic, message, cached=False)
    bench.attach(reader, topic, place=0)
    read = [*bench.blocks[topic]]
    expire(bench, topic, 2)
    bench.answer_fetch(read)
    bench.answer_fetch()
    assert [line[:3] for line in outlet.lines_v2()] == [("gap", "T", 1), ("unread", "T", 3)]


def test_who_is_live_notices_nothing_of_what_goes(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    bench.attach(reader, topic)
    bench.publish(topic, "a")
    expire(bench, topic, 1)
    bench.publish(topic, "b")
    assert [line[:3] for line in outlet.lines_v2()] == [
        ("broadcast", "T", 1),
        ("broadcast", "T", 2),
    ]


# turns


def test_who_is_far_behind_leaves_the_others_their_turns(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    count = 2 * TURN_BLOCKS + 1
    for _ in range(count):
        bench.publish(topic, "a")
    bench.attach(reader, topic, place=0)
    for turn in (1, 2):
        assert len(outlet.frames) == turn * TURN_BLOCKS
        bench.delivery.advance(reader)  # its buffer has drained, but others come first
        assert len(outlet.frames) == turn * TURN_BLOCKS
        bench.delivery.go_on(bench.resting.pop())
    assert [seq for _, _, seq, _ in outlet.lines_v2()] == [*range(1, count + 1)]
    assert bench.resting == []


# catching up


def test_a_reader_is_caught_up_when_all_that_was_unread_is_written(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    for message in "abc":
        bench.publish(topic, message)
    outlet.congested = True
    bench.attach(reader, topic, place=0)
    told: list[int] = []
    reader.when_caught_up = lambda: told.append(len(outlet.frames))
    assert not reader.caught_up
    outlet.drain()
    outlet.congested_after = 3
    bench.publish(topic, "d")  # not unread, so nobody waits for it
    bench.delivery.advance(reader)
    assert reader.caught_up
    assert told == [3]


def test_a_stopped_reader_gets_nothing_more_but_can_still_be_confirmed(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader(version=1)
    cursor = bench.attach(reader, topic)
    bench.publish(topic, "a")
    bench.delivery.stop(reader)
    bench.publish(topic, "b")
    bench.delivery.advance(reader)
    outlet.acknowledge()
    bench.delivery.confirm_acknowledged(reader)
    assert outlet.lines_v1() == [("broadcast", "a")]
    assert cursor.confirmed == 1


# what counts as delivered


def test_in_version_2_only_the_subscribers_word_counts(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    cursor = bench.attach(reader, topic)
    bench.publish(topic, "abc")
    outlet.acknowledge()
    bench.delivery.confirm_acknowledged(reader)
    assert bench.moved == []
    for seq in (2, 1, 2, 3):
        bench.delivery.acknowledge(cursor, seq)
    assert bench.moved == [("T", 2), ("T", 3)]


def test_more_than_was_sent_is_never_confirmed(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader()
    outlet.congested_after = 1
    cursor = bench.attach(reader, topic)
    bench.publish(topic, "a")
    bench.publish(topic, "b")
    bench.delivery.acknowledge(cursor, 99)
    assert cursor.confirmed == cursor.sent == 1


def test_in_version_1_blocks_count_once_their_last_byte_is_acknowledged(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader(version=1)
    cursor = bench.attach(reader, topic)
    for messages in ("ab", "c", "def"):
        bench.publish(topic, messages)
    ends = [sum(map(len, outlet.frames[:count])) for count in (1, 2, 3)]
    confirmed = []
    for acknowledged in (0, ends[0] - 1, ends[0], ends[1] - 1, ends[1], ends[2] - 1, ends[2]):
        outlet.acknowledge(acknowledged)
        bench.delivery.confirm_acknowledged(reader)
        confirmed.append(cursor.confirmed)
    assert confirmed == [0, 0, 2, 2, 3, 3, 6]
    assert bench.moved == [("T", 2), ("T", 3), ("T", 6)]


def test_the_acknowledgement_of_a_subscription_that_ended_moves_no_other(bench: Bench) -> None:
    topic, (outlet, reader) = bench.topic(), bench.reader(version=1)
    cursor = bench.attach(reader, topic)
    bench.publish(topic, "ab")
    bench.delivery.detach(cursor)
    again = bench.attach(reader, topic, place=0)
    outlet.acknowledge(len(outlet.frames[0]))
    bench.delivery.confirm_acknowledged(reader)
    assert (cursor.confirmed, again.confirmed) == (0, 0)
    outlet.acknowledge()
    bench.delivery.confirm_acknowledged(reader)
    assert (cursor.confirmed, again.confirmed) == (0, 2)


def test_what_is_remembered_of_unacknowledged_blocks_is_looked_up_in_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "MARKS_LIMIT", 10)
    topic, (outlet, reader) = bench.topic(), bench.reader(version=1)
    cursor = bench.attach(reader, topic)
    for _ in range(100):
        bench.publish(topic, "a")
        outlet.acknowledge()
        assert reader.marks is not None
        assert len(reader.marks) <= 11
    assert cursor.confirmed >= 89
