"""Who gets which bytes: every subscription is live or behind.

*Live* subscriptions are at the head and get each block as it is committed. The others are
*behind*: they read blocks forward until they reach the head and turn live in the same step,
so that no message is skipped or doubled. A connection whose write buffer is over its
high-water mark falls behind by itself, and goes on when the buffer has drained: a slow
subscriber costs nobody anything.

Who is behind messages that are not kept any more goes on after them, and is told so in
their place where that can be said, in version 2.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from broker.block import Block
from broker.cache import BlockCache
from broker.cursor import Cursor
from broker.topics import Topic
from protocol.frames import Delivery as Action
from protocol.replies import Gap, notice_line

_logger = logging.getLogger("pubsub.delivery")

TURN_BLOCKS = 100  # sent to one reader that is behind, before others have their turn
MARKS_LIMIT = 1_000  # sent blocks that may wait to be looked up in the peer's acknowledgements


class Outlet(Protocol):
    """What delivery sees of a connection."""

    @property
    def congested(self) -> bool:
        """Whether the write buffer is over its high-water mark."""

    @property
    def written(self) -> int:
        """Bytes written since the connection was made."""

    def write(self, data: bytes) -> None: ...

    def acknowledged(self) -> int:
        """Bytes that the peer's TCP has acknowledged, or a smaller number."""


class Reader:
    """The deliveries of one signed-in subscriber.

    In version 2 the subscriber acknowledges; version 1 has no way to, so there a block is
    confirmed once the peer's TCP has acknowledged the last of its bytes.
    """

    __slots__ = (
        "behind",
        "cursors",
        "epoch",
        "fetching",
        "marks",
        "outlet",
        "resting",
        "version",
        "when_caught_up",
    )

    def __init__(self, outlet: Outlet, version: int, epoch: int = 0) -> None:
        self.outlet = outlet
        self.version = version
        self.epoch = epoch  # of the session
        self.cursors: dict[Topic, Cursor] = {}
        self.behind: dict[Cursor, None] = {}  # in the order of their turns
        self.fetching = False  # blocks are being read for the first of `behind`
        self.resting = False  # others have their turn
        self.marks: deque[tuple[int, Cursor, int]] | None = None  # written, cursor, seq
        self.when_caught_up: Callable[[], None] | None = None

    @property
    def caught_up(self) -> bool:
        """Whether all that was unread at sign-in has been written."""
        return all(cursor.sent >= cursor.unread_until for cursor in self.behind)


class Delivery:
    """Moves blocks to subscribers.

    `fetch(reader, topic, seq)` is called when the block that holds `seq` is not in the cache;
    it must lead to one call of `arrived`. `moved(cursor)` is called when `confirmed` moves.
    `rest(reader)` is called when others should have their turn; it must lead to one call of
    `go_on`.
    """

    def __init__(
        self,
        cache: BlockCache,
        fetch: Callable[[Reader, Topic, int], None],
        moved: Callable[[Cursor], None],
        rest: Callable[[Reader], None],
    ) -> None:
        self._cache = cache
        self._fetch = fetch
        self._moved = moved
        self._rest = rest
        self.messages = 0  # handed to connections since the start

    def attach(self, cursor: Cursor) -> None:
        """Deliver to `cursor` from now on: first what is behind the head, then live."""
        cursor.reader.cursors[cursor.topic] = cursor
        self._place(cursor)
        self.advance(cursor.reader)

    def detach(self, cursor: Cursor) -> None:
        """Deliver nothing more to `cursor`."""
        cursor.topic.live.pop(cursor, None)
        cursor.reader.behind.pop(cursor, None)
        cursor.reader.cursors.pop(cursor.topic, None)

    def stop(self, reader: Reader) -> None:
        """Send nothing more to `reader`; what it has been sent can still be confirmed."""
        for cursor in reader.cursors.values():
            cursor.topic.live.pop(cursor, None)
        reader.behind.clear()

    def detach_all(self, reader: Reader) -> None:
        for cursor in [*reader.cursors.values()]:
            self.detach(cursor)

    def deliver(self, topic: Topic, block: Block) -> None:
        """Send a block that was just committed to all that are live.

        Should messages lie before it that did not come this way, because another broker has
        served the store meanwhile, they are read first.
        """
        frames: dict[int, bytes] = {}
        stalled = []
        before = block.first_seq - 1
        for cursor in topic.live:
            reader = cursor.reader
            if cursor.sent >= block.last_seq:
                continue  # it was read from the store, before the answer to its commit came
            if reader.outlet.congested or cursor.sent != before:
                stalled.append(cursor)
                continue
            frame = frames.get(reader.version)
            if frame is None:
                frame = self._cache.frame(block, reader.version, Action.BROADCAST)
                frames[reader.version] = frame
            self._send(cursor, frame, block)
        for cursor in stalled:
            del topic.live[cursor]
            cursor.reader.behind[cursor] = None
            self.advance(cursor.reader)

    def head_moved(self, topic: Topic) -> None:
        """Send what other brokers have appended, up to the topic's head, to all that are live."""
        live, topic.live = topic.live, {}
        for cursor in live:
            self._place(cursor)
        for cursor in live:
            self.advance(cursor.reader)

    def advance(self, reader: Reader) -> None:
        """Send what `reader` is behind, as far as the cache and its connection allow.

        Its topics take turns, a block each.
        """
        sent = 0
        while reader.behind and not reader.outlet.congested and not self._held(reader):
            cursor = next(iter(reader.behind))
            if cursor.sent < cursor.topic.tail:
                self._skip(cursor, cursor.topic.tail)
                continue
            block = self._cache.find(cursor.topic.name, cursor.sent + 1)
            if block is None:
                reader.fetching = True
                self._fetch(reader, cursor.topic, cursor.sent + 1)
            elif sent == TURN_BLOCKS:
                reader.resting = True
                self._rest(reader)
            else:
                self._catch_up(cursor, block)
                sent += 1
        if reader.when_caught_up is not None and reader.caught_up:
            reader.when_caught_up()

    def go_on(self, reader: Reader) -> None:
        """Go on after the others have had their turn."""
        reader.resting = False
        self.advance(reader)

    def arrived(
        self, reader: Reader, topic: Topic, seq: int, blocks: Sequence[Block], head: int
    ) -> None:
        """Go on with blocks that `fetch` was asked for: those from `seq` on, in order.

        `head` was the topic's before they were read: where there are none, none of the messages
        up to it are there any more.
        """
        reader.fetching = False
        cursor = reader.cursors.get(topic)
        if cursor is not None and cursor in reader.behind:
            if seq == cursor.sent + 1 > cursor.topic.tail:
                self._skip_gap(cursor, blocks[0].first_seq if blocks else head + 1)
            for block in blocks:
                if reader.outlet.congested or cursor not in reader.behind:
                    break
                if block.first_seq <= cursor.sent + 1 <= block.last_seq > cursor.topic.tail:
                    self._catch_up(cursor, block)
        self.advance(reader)

    def acknowledge(self, cursor: Cursor, seq: int) -> None:
        """The subscriber has processed all up to `seq`."""
        if cursor.confirm(seq):
            self._moved(cursor)

    def confirm_acknowledged(self, reader: Reader) -> None:
        """Confirm the blocks whose bytes the peer's TCP has acknowledged."""
        if not reader.marks:
            return
        acknowledged = reader.outlet.acknowledged()
        while reader.marks and reader.marks[0][0] <= acknowledged:
            _, cursor, seq = reader.marks.popleft()
            # A cursor that was detached since belongs to a subscription that has ended or
            # was put elsewhere.
            if reader.cursors.get(cursor.topic) is cursor:
                self.acknowledge(cursor, seq)

    @staticmethod
    def _held(reader: Reader) -> bool:
        return reader.fetching or reader.resting

    def _skip_gap(self, cursor: Cursor, found: int) -> None:
        """Go on at `found` where messages before it were taken out of the store.

        By retention a moment ago or with their topic, at another broker, of which this one hears
        soon, or by somebody else.
        """
        if found > cursor.sent + 1 and not cursor.reader.outlet.congested:
            _logger.warning(
                "%r has no messages %d to %d", cursor.topic.name, cursor.sent + 1, found - 1
            )
            self._skip(cursor, found - 1)

    def _skip(self, cursor: Cursor, last_seq: int) -> None:
        """Go on after `last_seq`, telling what is missing where that can be told.

        In version 1 that counts as confirmed, and so does all before it: none of it can come
        again.
        """
        reader = cursor.reader
        gap = Gap(cursor.topic.name, cursor.sent + 1, last_seq)
        cursor.sent = last_seq
        del reader.behind[cursor]
        self._place(cursor)
        if reader.version == 1:
            self.acknowledge(cursor, last_seq)
        else:
            reader.outlet.write(notice_line(gap))

    def _place(self, cursor: Cursor) -> None:
        if cursor.sent >= cursor.topic.head:
            cursor.topic.live[cursor] = None
        else:
            cursor.reader.behind[cursor] = None

    def _catch_up(self, cursor: Cursor, block: Block) -> None:
        """Send what of `block` comes next for `cursor`, in the right action."""
        first, last = cursor.sent + 1, block.last_seq
        action = Action.UNREAD if first <= cursor.unread_until else Action.BROADCAST
        if action is Action.UNREAD:
            last = min(last, cursor.unread_until)
        if (first, last) != (block.first_seq, block.last_seq):
            block = block.part(first, last)
        del cursor.reader.behind[cursor]
        self._send(cursor, self._cache.frame(block, cursor.reader.version, action), block)
        self._place(cursor)

    def _send(self, cursor: Cursor, frame: bytes, block: Block) -> None:
        reader, last_seq = cursor.reader, block.last_seq
        reader.outlet.write(frame)
        cursor.sent = last_seq
        self.messages += block.count
        if reader.version == 1:
            if reader.marks is None:
                reader.marks = deque()
            reader.marks.append((reader.outlet.written, cursor, last_seq))
            if len(reader.marks) > MARKS_LIMIT:
                self.confirm_acknowledged(reader)
