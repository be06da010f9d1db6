"""A block: a run of consecutive messages of one topic, committed together.

It is the unit of everything: one row in the store, one entry in the cache, one piece of
bytes to every subscriber.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from protocol.frames import Delivery, line_v2, lines_v1, split_bodies

OVERHEAD_BYTES = 600  # what a block costs in memory beside its bytes


@dataclass(slots=True, eq=False)
class Block:
    """Messages `first_seq` to `last_seq` of a topic.

    `publishers` holds one e-mail where all are the same, else one per message.
    """

    topic_name: str
    first_seq: int
    count: int
    publishers: Sequence[str]
    committed_at: datetime
    bodies: bytes

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1

    @property
    def size(self) -> int:
        """Bytes of memory, frames not counted."""
        return OVERHEAD_BYTES + len(self.bodies) + 8 * len(self.publishers)

    def frame(self, version: int, action: Delivery) -> bytes:
        """Return the bytes that deliver the whole block."""
        if version == 1:
            return lines_v1(action, self.bodies)
        return line_v2(
            action,
            self.topic_name,
            self.first_seq,
            self.bodies,
            self.publishers,
            self.committed_at,
        )

    def part(self, first_seq: int, last_seq: int) -> "Block":
        """Return the messages from `first_seq` to `last_seq` that it holds, as a block."""
        start = max(first_seq - self.first_seq, 0)
        end = min(last_seq - self.first_seq + 1, self.count)
        several = len(self.publishers) > 1
        return Block(
            self.topic_name,
            self.first_seq + start,
            end - start,
            self.publishers[start:end] if several else self.publishers,
            self.committed_at,
            b"".join(split_bodies(self.bodies)[start:end]),
        )
