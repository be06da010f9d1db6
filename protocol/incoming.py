"""What a version 2 client gets: every line from the broker, and how it becomes a value."""

from datetime import datetime

import msgspec
from msgspec import UNSET, Struct, UnsetType

from protocol.replies import (
    Error,
    Gap,
    Limits,
    ReceiptCount,
    RequestId,
    SubscriptionList,
    SubscriptionState,
    TopicDeleted,
    Topics,
)


class BlockOfMessages(Struct, gc=False):
    """Messages `seq`, `seq` + 1, ... of a topic, as they were committed.

    `publishers` holds one e-mail where all are the same, else one per message.
    """

    topic_name: str
    seq: int
    messages: list[str]
    publishers: list[str]
    published_at: datetime

    def __post_init__(self) -> None:
        if not self.messages or len(self.publishers) not in (1, len(self.messages)):
            raise ValueError("a block has messages, and one publisher or one for each of them")

    def publisher(self, place: int) -> str:
        """Return who published the message at `place` of `messages`."""
        return self.publishers[place if len(self.publishers) > 1 else 0]


class Unread(BlockOfMessages, tag_field="action", tag="unread", gc=False):
    """A block from the time the subscriber was away."""


class Broadcast(BlockOfMessages, tag_field="action", tag="broadcast", gc=False):
    """A block that was published while the subscriber is signed in."""


class Succeeded(Struct, tag_field="action", tag="success", gc=False):
    """A success of any request; what is not about that request is unset."""

    id: RequestId = UNSET
    seq: int | UnsetType = UNSET
    duplicate: bool = False
    user_email: str | UnsetType = UNSET
    user_type: str | UnsetType = UNSET
    subscriptions: list[SubscriptionState] | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET
    last_id: int | UnsetType = UNSET


class HistoryBlocks(Struct, tag_field="action", tag="history", gc=False):
    """Messages of a topic, oldest first."""

    topic_name: str
    head: int
    blocks: list[BlockOfMessages]
    id: RequestId = UNSET


Delivered = Unread | Broadcast
Reply = Succeeded | Error | Topics | SubscriptionList | ReceiptCount | HistoryBlocks
Notice = Gap | TopicDeleted
Incoming = Delivered | Notice | Reply

_decode = msgspec.json.Decoder(Incoming).decode


def decode(line: bytes) -> Incoming:
    """Return what a line from the broker says.

    Raises:
        ValueError: it is not a line of version 2.
    """
    value: Incoming = _decode(line)
    return value
