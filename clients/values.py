"""What the library hands out."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count, islice, repeat

from msgspec import Struct

from protocol.incoming import BlockOfMessages
from protocol.names import EMAIL_LIMIT as EMAIL_LIMIT
from protocol.replies import SubscriptionState as SubscriptionState
from protocol.replies import TopicState as TopicState


class Message(Struct, frozen=True, gc=False):
    """A message as it is in its topic's log.

    `unread` tells that it was published while the subscriber was away.
    """

    topic: str
    seq: int
    text: str
    publisher: str
    published_at: datetime
    unread: bool = False


class Gap(Struct, frozen=True, gc=False):
    """Messages that would have come, but that the broker does not keep any more."""

    topic: str
    first_seq: int
    last_seq: int


class Receipt(Struct, frozen=True, gc=False):
    """A publish that is on disk.

    `seq` is None where it had been stored before the connection broke and only the answer
    was lost: it is stored once, but the broker does not say again where.
    """

    topic: str
    seq: int | None


class Confirmations(Struct, frozen=True, gc=False):
    """`confirmed` of the topic's `subscriptions` have processed message `seq`."""

    topic: str
    seq: int
    confirmed: int
    subscriptions: int


def messages_of(block: BlockOfMessages, start: int = 0, *, unread: bool) -> Iterator[Message]:
    """Yield the messages of `block` from place `start` on."""
    publishers = block.publishers
    whose = repeat(publishers[0]) if len(publishers) == 1 else islice(publishers, start, None)
    # One call that stays in C for the whole block.
    return map(
        Message,
        repeat(block.topic_name),
        count(block.seq + start),
        islice(block.messages, start, None),
        whose,
        repeat(block.published_at),
        repeat(unread),
    )
