"""Recent blocks and their frames, in memory up to a bound in bytes.

Live delivery and most catching up are served from here: a thousand subscribers that come
back at once read each block from the store once, and it is encoded once for all of them.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict

from broker.block import Block
from protocol.frames import Delivery

Frames = dict[tuple[int, Delivery], bytes]  # by version and action


class BlockCache:
    """Blocks by topic and seq, none of which overlap; the least recently used go first.

    `size` (bytes of blocks and frames) is at most `limit_bytes`, whatever is added.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.size = 0
        self._frames: OrderedDict[Block, Frames] = OrderedDict()  # least recently used first
        self._topics: dict[str, list[Block]] = {}  # each in seq order
        self.encodings = 0  # frames made since the start

    def add(self, block: Block) -> None:
        """Keep `block`, in the place of those that it overlaps, unless one of them holds it all.

        A store may have made one block of several, which some of it were cached as.
        """
        blocks = self._topics.setdefault(block.topic_name, [])
        if not blocks or blocks[-1].last_seq < block.first_seq:
            blocks.append(block)
        elif not self._insert(blocks, block):
            return
        self._frames[block] = {}
        self._grow(block.size)

    def _insert(self, blocks: list[Block], block: Block) -> bool:
        """Put `block` among `blocks`; return whether that was any use."""
        start = bisect_left(blocks, block.first_seq, key=_last_seq)
        end = bisect_right(blocks, block.last_seq, key=_first_seq)
        for one in blocks[start:end]:
            if one.first_seq <= block.first_seq and block.last_seq <= one.last_seq:
                self._frames.move_to_end(one)
                return False
        for one in blocks[start:end]:
            self._drop(one)
        blocks[start:end] = [block]
        return True

    def find(self, topic_name: str, seq: int) -> Block | None:
        """Return the block that holds `seq`, if it is here."""
        blocks = self._topics.get(topic_name)
        if not blocks:
            return None
        place = bisect_right(blocks, seq, key=_first_seq) - 1
        if place < 0 or blocks[place].last_seq < seq:
            return None
        self._frames.move_to_end(blocks[place])
        return blocks[place]

    def frame(self, block: Block, version: int, action: Delivery) -> bytes:
        """Return the bytes that deliver `block`, made when first wanted and then kept."""
        frames = self._frames.get(block)
        if frames is None:  # not kept here: part of a block, or one that has gone already
            self.encodings += 1
            return block.frame(version, action)
        frame = frames.get((version, action))
        if frame is None:
            self.encodings += 1
            frame = frames[version, action] = block.frame(version, action)
            self._grow(len(frame))
        return frame

    def forget_topic(self, topic_name: str) -> None:
        """Keep nothing of a topic: another one may have its name soon."""
        for block in self._topics.pop(topic_name, []):
            self._drop(block)

    def forget_publisher(self, email: str) -> None:
        """Keep nothing that tells of `email`."""
        for block in [one for one in self._frames if email in one.publishers]:
            self._drop(block)
            self._forget(block)

    def _drop(self, block: Block) -> None:
        self.size -= block.size + sum(map(len, self._frames.pop(block).values()))

    def _grow(self, size: int) -> None:
        self.size += size
        while self.size > self.limit_bytes:
            oldest, frames = self._frames.popitem(last=False)
            self.size -= oldest.size + sum(map(len, frames.values()))
            self._forget(oldest)

    def _forget(self, block: Block) -> None:
        blocks = self._topics[block.topic_name]
        del blocks[bisect_left(blocks, block.first_seq, key=_first_seq)]
        if not blocks:
            del self._topics[block.topic_name]


def _first_seq(block: Block) -> int:
    return block.first_seq


def _last_seq(block: Block) -> int:
    return block.last_seq
