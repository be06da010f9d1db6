"""Every interleaving of what can happen to subscribers, against a model of what they get.

The model of a subscription is three numbers: the seq that comes next, up to where messages
are unread, and what is confirmed.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from broker.block import Block
from broker.cache import BlockCache
from broker.cursor import Cursor
from broker.delivery import Delivery, Reader
from broker.topics import Topic
from protocol.frames import encode_bodies
from tests.doubles.outlet import FakeOutlet

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TOPICS = SUBSCRIBERS = 2
TURN_BLOCKS = 1  # so that many turns are needed
CACHE_BYTES = 2_000  # three blocks at most, so that most of them have to be fetched

topics = st.integers(0, TOPICS - 1)
subscribers = st.integers(0, SUBSCRIBERS - 1)
commits = st.lists(st.integers(1, 3), min_size=1, max_size=4)  # the sizes of a commit's blocks
places = st.one_of(st.just("new"), st.just("all"), st.integers(1, 12))


@dataclass
class Expected:
    """What the model knows of a subscription in a session."""

    cursor: Cursor
    next_seq: int
    unread_until: int
    confirmed: int
    sent_by: list[tuple[int, int]] = field(default_factory=list)  # bytes written, newest seq


class Session:
    """A signed-in subscriber: delivery's half, and the model's."""

    def __init__(self, version: int) -> None:
        self.outlet = FakeOutlet()
        self.reader = Reader(self.outlet, version)
        self.version = version
        self.expected: dict[Topic, Expected] = {}
        self.frames_seen = 0
        self.bytes_seen = 0

    def expect(self, cursor: Cursor) -> None:
        self.expected[cursor.topic] = Expected(
            cursor, cursor.sent + 1, cursor.unread_until, cursor.confirmed
        )

    def take(self, topics: dict[str, Topic]) -> None:
        """Check what has been delivered since the last time."""
        self.pass_over()
        new, self.frames_seen = self.outlet.frames[self.frames_seen :], len(self.outlet.frames)
        for frame in new:
            self.bytes_seen += len(frame)
            taker = FakeOutlet()
            taker.write(frame)
            if self.version == 1:
                for action, message in taker.lines_v1():
                    name, _, number = message.partition(" ")
                    self._take(topics[name], action, int(number))
            else:
                for action, name, seq, message in taker.lines_v2():
                    if action == "gap":
                        self._skip(topics[name], seq, int(message))
                        continue
                    assert message == f"{name} {seq}"
                    self._take(topics[name], action, seq)

    def _skip(self, topic: Topic, first: int, last: int) -> None:
        expected = self.expected[topic]
        assert first == expected.next_seq
        assert last == topic.tail
        expected.next_seq = last + 1

    def pass_over(self) -> None:
        """In version 1 what is gone is passed over without a word, and is confirmed."""
        for topic, expected in self.expected.items():
            if self.version == 1 and expected.cursor.sent >= topic.tail >= expected.next_seq:
                expected.next_seq = topic.tail + 1
                expected.confirmed = max(expected.confirmed, topic.tail)

    def _take(self, topic: Topic, action: str, seq: int) -> None:
        expected = self.expected[topic]
        assert seq > topic.tail, "it was to be gone"
        assert seq == expected.next_seq, "a gap or a repeat"
        assert action == ("unread" if seq <= expected.unread_until else "broadcast")
        expected.next_seq += 1
        expected.sent_by.append((self.bytes_seen, seq))

    def acknowledge_bytes(self, count: int) -> None:
        """The model's half of the peer's TCP acknowledging `count` bytes in all."""
        for expected in self.expected.values():
            for written, seq in expected.sent_by:
                if written <= count:
                    expected.confirmed = max(expected.confirmed, seq)


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.delivery.TURN_BLOCKS", TURN_BLOCKS)


class Subscribers(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.cache = BlockCache(CACHE_BYTES)
        self.fetches: list[tuple[Reader, Topic, int]] = []
        self.moved: set[Cursor] = set()
        self.resting: list[Reader] = []
        self.delivery = Delivery(self.cache, self._fetch, self.moved.add, self.resting.append)
        self.topics = [Topic(number, f"T{number}", 0) for number in range(TOPICS)]
        self.by_name = {topic.name: topic for topic in self.topics}
        self.blocks: dict[Topic, list[Block]] = {topic: [] for topic in self.topics}
        self.heads = dict.fromkeys(self.topics, 0)  # in the store
        self.unanswered: list[tuple[Topic, Block]] = []
        self.saved: list[dict[Topic, int]] = [{} for _ in range(SUBSCRIBERS)]  # cursors
        self.sessions: list[Session | None] = [None] * SUBSCRIBERS
        for number in range(SUBSCRIBERS):
            self.sign_in(number, version=1 + number % 2, congested=False)
            for topic in range(TOPICS):
                self.subscribe(number, topic, "all")

    def _fetch(self, reader: Reader, topic: Topic, seq: int) -> None:
        assert self.cache.find(topic.name, seq) is None
        assert all(other is not reader for other, _, _ in self.fetches)
        self.fetches.append((reader, topic, seq))

    # what can happen

    @rule(topic=topics, sizes=commits)
    def publish(self, topic: int, sizes: list[int]) -> None:
        """Make a commit visible, as the log does."""
        self.commit(topic, sizes)
        self.answer_commit()

    @rule(topic=topics, sizes=commits)
    def commit(self, topic: int, sizes: list[int]) -> None:
        """Store a commit whose answer is still on its way: one at a time, as the log does."""
        self.answer_commit()
        there = self.topics[topic]
        self.unanswered = [(there, self._store(there, size)) for size in sizes]

    @rule()
    def answer_commit(self) -> None:
        for there, block in self.unanswered:
            self.cache.add(block)
            there.head = max(there.head, block.last_seq)
            self.delivery.deliver(there, block)
        self.unanswered = []

    @rule(topic=topics, size=st.integers(1, 3))
    def publish_scattered(self, topic: int, size: int) -> None:
        """Make a commit visible that is a block only where somebody is live on its topic."""
        self.answer_commit()
        there = self.topics[topic]
        block = self._store(there, size)
        if there.live:
            self.unanswered = [(there, block)]
            self.answer_commit()
        there.head = max(there.head, block.last_seq)

    @rule(topic=topics, number=st.integers(2, 6), newer=st.integers(0, 2))
    def merge(self, topic: int, number: int, newer: int) -> None:
        """Make one block of several in the store, perhaps with one that is not answered yet."""
        blocks = self.blocks[self.topics[topic]]
        end = max(len(blocks) - newer, 0)
        start = max(end - number, 0)
        some = blocks[start:end]
        if len(some) > 1:
            blocks[start:end] = [
                Block(
                    some[0].topic_name,
                    some[0].first_seq,
                    sum(block.count for block in some),
                    some[0].publishers,
                    NOON,
                    b"".join(block.bodies for block in some),
                )
            ]

    @rule(topic=topics, sizes=commits)
    def publish_elsewhere(self, topic: int, sizes: list[int]) -> None:
        """Store a commit of another broker, which this one does not hear of."""
        for size in sizes:
            self._store(self.topics[topic], size)

    @rule(topic=topics)
    def hear(self, topic: int) -> None:
        """Hear how far a topic has come, as the hub does."""
        there = self.topics[topic]
        if self.heads[there] > there.head:
            there.head = self.heads[there]
            self.delivery.head_moved(there)

    def _store(self, topic: Topic, size: int) -> Block:
        first, self.heads[topic] = self.heads[topic] + 1, self.heads[topic] + size
        texts = [f"{topic.name} {seq}" for seq in range(first, first + size)]
        block = Block(topic.name, first, size, ("p@b.c",), NOON, encode_bodies(texts))
        self.blocks[topic].append(block)
        return block

    @rule(topic=topics, blocks=st.integers(1, 5))
    def expire(self, topic: int, blocks: int) -> None:
        """Take the oldest blocks out, as retention does."""
        there = self.topics[topic]
        known = [block for block in self.blocks[there] if block.last_seq <= there.head]
        gone, self.blocks[there] = known[:blocks], self.blocks[there][len(known[:blocks]) :]
        if gone:
            there.take_out(gone[-1].last_seq)

    @rule(subscriber=subscribers, version=st.sampled_from([1, 2]), congested=st.booleans())
    def sign_in(self, subscriber: int, version: int, congested: bool) -> None:
        self.disconnect(subscriber)
        session = self.sessions[subscriber] = Session(version)
        session.outlet.congested = congested
        reader = session.reader
        for topic, place in self.saved[subscriber].items():
            cursor = Cursor(reader, subscriber, topic, place, place, topic.head)
            reader.cursors[topic] = cursor
            session.expect(cursor)
        for cursor in [*reader.cursors.values()]:
            self.delivery.attach(cursor)

    @rule(subscriber=subscribers)
    def disconnect(self, subscriber: int) -> None:
        session, self.sessions[subscriber] = self.sessions[subscriber], None
        if session is not None:
            session.take(self.by_name)
            self.delivery.detach_all(session.reader)
            for topic, expected in session.expected.items():
                self.saved[subscriber][topic] = expected.confirmed
            assert not any(cursor.reader is session.reader for cursor in self._attached())

    @rule(subscriber=subscribers, topic=topics, place=places)
    def subscribe(self, subscriber: int, topic: int, place: str | int) -> None:
        session, there = self.sessions[subscriber], self.topics[topic]
        if session is None:
            return
        session.take(self.by_name)
        if there in session.expected:
            self.delivery.detach(session.expected[there].cursor)
        before = {"new": there.head, "all": 0}[place] if isinstance(place, str) else place - 1
        before = min(before, there.head)
        cursor = Cursor(session.reader, subscriber, there, before, before, there.head)
        session.expect(cursor)
        self.saved[subscriber][there] = before
        self.delivery.attach(cursor)

    @rule(subscriber=subscribers, topic=topics)
    def unsubscribe(self, subscriber: int, topic: int) -> None:
        session, there = self.sessions[subscriber], self.topics[topic]
        if session is not None and there in session.expected:
            session.take(self.by_name)
            self.delivery.detach(session.expected.pop(there).cursor)
            del self.saved[subscriber][there]

    @rule(subscriber=subscribers, topic=topics, back=st.integers(-1, 9))
    def acknowledge(self, subscriber: int, topic: int, back: int) -> None:
        session = self.sessions[subscriber]
        expected = session and session.expected.get(self.topics[topic])
        if session is not None and expected and session.version == 2:
            seq = max(expected.cursor.sent - back, 0)
            self.delivery.acknowledge(expected.cursor, seq)
            expected.confirmed = max(expected.confirmed, min(seq, expected.cursor.sent))

    @rule(subscriber=subscribers, missing=st.one_of(st.integers(0, 3), st.integers(0, 200)))
    def acknowledge_bytes(self, subscriber: int, missing: int) -> None:
        """Let the peer's TCP acknowledge all that is written but for the last bytes."""
        session = self.sessions[subscriber]
        if session is not None:
            session.take(self.by_name)
            count = max(session.outlet.written - missing, session.outlet.acknowledged())
            session.outlet.acknowledge(count)
            self.delivery.confirm_acknowledged(session.reader)
            if session.version == 1:
                session.acknowledge_bytes(count)

    @rule(subscriber=subscribers, frames=st.integers(0, 3))
    def congest(self, subscriber: int, frames: int) -> None:
        """Let the write buffer be full, now or after some frames."""
        session = self.sessions[subscriber]
        if session is not None and not session.outlet.congested:
            session.outlet.congested = frames == 0
            session.outlet.congested_after = frames or None

    @rule(subscriber=subscribers, frames=st.integers(0, 3))
    def drain(self, subscriber: int, frames: int) -> None:
        """Let the write buffer drain, and perhaps fill up again soon."""
        session = self.sessions[subscriber]
        if session is not None and session.outlet.congested:
            session.outlet.drain()
            session.outlet.congested_after = frames or None
            self.delivery.advance(session.reader)

    @precondition(lambda self: self.fetches)
    @rule(which=st.integers(0, 99), read_ahead=st.integers(1, 3))
    def answer_fetch(self, which: int, read_ahead: int) -> None:
        """Answer any of the fetches, as the fetcher does."""
        reader, topic, seq = self.fetches.pop(which % len(self.fetches))
        found = [
            block if block.last_seq <= topic.head else block.part(block.first_seq, topic.head)
            for block in self.blocks[topic]
            if block.last_seq >= seq and block.first_seq <= topic.head
        ][:read_ahead]
        for block in found:
            self.cache.add(block)
        self.delivery.arrived(reader, topic, seq, found, topic.head)

    @precondition(lambda self: self.resting)
    @rule(which=st.integers(0, 99))
    def turn(self, which: int) -> None:
        """Let the loop come back to somebody who left the others their turn."""
        self.delivery.go_on(self.resting.pop(which % len(self.resting)))

    # what always holds

    @invariant()
    def everybody_has_what_comes_next_and_nothing_else(self) -> None:
        for session in filter(None, self.sessions):
            session.take(self.by_name)
            for topic, expected in session.expected.items():
                cursor = expected.cursor
                assert cursor.sent == expected.next_seq - 1
                assert cursor.confirmed == expected.confirmed
                assert cursor.confirmed <= cursor.sent <= topic.head
                assert (cursor in topic.live) is (cursor.sent == topic.head)
                assert (cursor in topic.live) is (cursor not in session.reader.behind)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        waiting = [reader for reader, _, _ in self.fetches] + self.resting
        for session in filter(None, self.sessions):
            if not session.outlet.congested and session.reader not in waiting:
                assert not session.reader.behind

    @invariant()
    def what_has_moved_is_known(self) -> None:
        for session in filter(None, self.sessions):
            for topic, expected in session.expected.items():
                place = self.saved[self.sessions.index(session)][topic]
                assert expected.cursor.confirmed == place or expected.cursor in self.moved

    def teardown(self) -> None:
        """Once everybody can take it, everybody gets everything."""
        if hasattr(self, "unanswered"):
            self.answer_commit()
            for number in range(TOPICS):
                self.hear(number)
        for session in filter(None, getattr(self, "sessions", [])):
            session.outlet.drain()
            self.delivery.advance(session.reader)
        while getattr(self, "fetches", []) or getattr(self, "resting", []):
            if self.fetches:
                self.answer_fetch(0, 2)
            else:
                self.turn(0)
        for session in filter(None, getattr(self, "sessions", [])):
            session.take(self.by_name)
            for topic, expected in session.expected.items():
                assert expected.next_seq == self.heads[topic] + 1

    def _attached(self) -> list[Cursor]:
        live = [cursor for topic in self.topics for cursor in topic.live]
        behind = [one for session in filter(None, self.sessions) for one in session.reader.behind]
        return live + behind


TestSubscribers = Subscribers.TestCase
TestSubscribers.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
