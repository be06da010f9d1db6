"""The bytes of a block of messages: as it is stored, and as it goes to subscribers.

The *bodies* of a block are its messages as JSON strings, each on a line of its own. JSON
escapes every newline inside a string, so a newline byte always ends a message, and a whole
block becomes wire bytes with one `bytes.replace`. Messages are encoded here and never
passed through as a publisher wrote them, so no message can smuggle a line to a subscriber.

The bytes of a delivery are the same for every subscriber of a topic: they hold nothing
that belongs to one subscriber.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

import msgspec

_T = TypeVar("_T")

_encoder = msgspec.json.Encoder()


class Delivery(StrEnum):
    """What a delivered message is to the subscriber who gets it."""

    UNREAD = "unread"  # published while the subscriber was away
    BROADCAST = "broadcast"  # published while it was signed in


def encode_bodies(messages: Sequence[str]) -> bytes:
    """Return the bodies of `messages`."""
    return _encoder.encode_lines(messages)


def lines_v1(action: Delivery, bodies: bytes) -> bytes:
    """Return one version 1 line for each message; there is at least one."""
    start, end = b'{"action":"%s","message":' % action.encode(), b"}\n"
    # Every body is ended by a newline, so the last replacement leaves one start too many.
    return b"".join((start, memoryview(bodies.replace(b"\n", end + start))[: -len(start)]))


def line_v2(
    action: Delivery,
    topic_name: str,
    first_seq: int,
    bodies: bytes,
    publishers: Sequence[str],
    published_at: datetime,
) -> bytes:
    """Return the version 2 line that delivers the block."""
    block = _block_pieces(topic_name, first_seq, bodies, publishers, published_at)
    return b"".join((b'{"action":"%s",' % action.encode(), *block, b"\n"))


def block_object(
    topic_name: str,
    first_seq: int,
    bodies: bytes,
    publishers: Sequence[str],
    published_at: datetime,
) -> bytes:
    """Return the block as a JSON object without an action.

    Its messages have the seqs `first_seq`, `first_seq` + 1, ...; `publishers` holds one
    e-mail where all are the same, else one per message.
    """
    block = _block_pieces(topic_name, first_seq, bodies, publishers, published_at)
    return b"".join((b"{", *block))


def _block_pieces(
    topic_name: str,
    first_seq: int,
    bodies: bytes,
    publishers: Sequence[str],
    published_at: datetime,
) -> tuple[bytes | memoryview, ...]:
    """Return what follows the opening brace, in pieces to be joined.

    To put a block into a text with `%` takes ten times as long.
    """
    return (
        b'"topic_name":%s,"seq":%d,"messages":[' % (_encoder.encode(topic_name), first_seq),
        memoryview(bodies.replace(b"\n", b","))[:-1],
        b'],"publishers":',
        _encoder.encode(publishers),
        b',"published_at":%s}' % _encoder.encode(published_at.astimezone(UTC)),
    )


def split_bodies(bodies: bytes) -> list[bytes]:
    """Return the body of each message, its newline included."""
    return bodies.splitlines(keepends=True)


def one_or_each(publishers: Sequence[_T]) -> Sequence[_T]:
    """Return of a block's publishers, one per message, the one alone where all are the same."""
    return publishers if len(set(publishers)) > 1 else publishers[:1]
