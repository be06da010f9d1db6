"""What a message of a topic's stream is made of.

One is a *block*, or it holds no messages and only says something: that the topic began, that
a producer's newer session has begun (a *fence*), where the topic stood when all before it was
taken out, which producers' marks found no room in a block. Each says where the topic stands,
so the newest alone tells the head and the oldest the tail, and a stream is never empty.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec

from broker.store.errors import StoreRefused
from broker.store.interface import NewBlock, ProducerMark
from broker.store.jetstream.streams import Message

HEADER = "Pubsub-Block"
FORMAT = 1
KEPT_BYTES = 4 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Mark(msgspec.Struct, array_like=True, frozen=True):
    """A `ProducerMark`, as it is written."""

    account: int
    producer: str
    last_id: int
    refused: tuple[int, ...]
    epoch: int

    @classmethod
    def of(cls, mark: ProducerMark) -> "Mark":
        return cls(mark.account_id, mark.producer, mark.last_id, mark.refused, mark.epoch)


class Fence(msgspec.Struct, array_like=True, frozen=True):
    """From here on nothing comes of the producer's sessions before `epoch`.

    `previous` is the sequence of the fence before this one, 0 for none.
    """

    account: int
    producer: str
    epoch: int
    previous: int = 0


class Preface(msgspec.Struct, omit_defaults=True, frozen=True):
    """What lies before the bodies: who published them, one or one a message, and marks."""

    publishers: tuple[int, ...] = ()
    marks: tuple[Mark, ...] = ()
    fence: Fence | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a topic stands after one of its stream's messages.

    `sequence` is that message's and `batch` its number; `head` the newest seq; `total` the bytes
    of all bodies there ever were; `fence` the sequence of the newest fence, 0 for none.
    """

    sequence: int
    head: int
    total: int = 0
    fence: int = 0
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A message of a topic's stream, read. `previous` is the number of the one before.

    `size` is that of the bodies, which may be left out.
    """

    place: Place
    first_seq: int
    count: int
    previous: int
    time_us: int
    preface: Preface
    size: int
    bodies: bytes | None

    @property
    def batch(self) -> int:
        return self.place.batch

    @property
    def committed_at(self) -> datetime:
        return when(self.time_us)


def written(
    place: Place, then: Place, time_us: int, preface: Preface, bodies: bytes
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the payload of a message that leads from `place` to `then`."""
    before = msgspec.json.encode(preface)
    numbers = (
        *(FORMAT, place.head + 1, then.head - place.head, then.batch, place.batch),
        *(time_us, then.total, then.fence, len(before)),
    )
    headers = {
        HEADER: " ".join(map(str, numbers)),
        "Nats-Expected-Last-Sequence": str(place.sequence),
    }
    return headers, before + bodies


def after(place: Place, block: NewBlock | None, batch: int, *, fence: bool = False) -> Place:
    """Return where a topic stands that stood at `place`, once `block` or a fence has followed."""
    sequence = place.sequence + 1
    newest_fence = sequence if fence else place.fence
    if block is None:
        return Place(sequence, place.head, place.total, newest_fence, batch)
    total = place.total + len(block.bodies)
    return Place(sequence, place.head + block.count, total, newest_fence, batch)


def read(message: Message) -> Record:
    """Read what a topic's stream holds.

    Raises:
        StoreRefused: it is not of this program's making, or of a newer release's.
    """
    try:
        numbers = [int(part) for part in message.headers[HEADER].split()]
        form, first_seq, count, batch, previous, time_us, total, fence, length = numbers
        if form != FORMAT:
            raise ValueError(f"format {form}")
        preface = msgspec.json.decode(memoryview(message.data)[:length], type=Preface)
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise StoreRefused(
            f"message {message.sequence} of the stream of {message.subject} was not written by"
            " this program, or by a newer release"
        ) from error
    place = Place(message.sequence, first_seq + count - 1, total, fence, batch)
    bodies = message.data[length:]
    return Record(place, first_seq, count, previous, time_us, preface, len(bodies), bodies)


def remembered(record: Record) -> Record:
    """Return `record` to be kept for long, without its bodies where those are large."""
    return record if record.size <= KEPT_BYTES else replace(record, bodies=None)


def now_us() -> int:
    return (datetime.now(UTC) - _EPOCH) // _MICROSECOND


def when(time_us: int) -> datetime:
    return _EPOCH + time_us * _MICROSECOND
