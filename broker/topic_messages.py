"""What one commit appends to one topic, and how it is cut into blocks."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, repeat

from broker.block import Block
from broker.store.interface import Account
from broker.topics import Topic
from protocol.frames import encode_bodies, split_bodies

NOT_YET = datetime(1, 1, 1, tzinfo=UTC)  # the commit time of a block that is not on disk


@dataclass(slots=True, eq=False)
class TopicMessages:
    """The messages one commit appends to one topic."""

    topic: Topic
    messages: list[str] = field(default_factory=list)
    runs: list[tuple[Account, int]] = field(default_factory=list)  # who sent how many
    wholes: dict[int, int] = field(default_factory=dict)  # where a publish_many begins and ends
    first_seq: int = 0  # of the first message, once committed


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """How large a block may become; a single message may be larger than `size`.

    With `keep_whole` a publish_many lies in one block, however large that becomes: the store
    has no other way to store all of it or nothing.
    """

    count: int
    size: int  # bytes of bodies, and of e-mails where publishers differ
    keep_whole: bool = False


def cut(appended: TopicMessages, limits: BlockLimits) -> Iterator[Block]:
    """Cut a topic's messages into blocks within `limits`."""
    bodies = encode_bodies(appended.messages)
    publishers = _publishers(appended.runs)
    count = len(appended.messages)
    several = len(publishers) > 1
    widest = max(_lengths(set(publishers))) if several else 0
    if count <= limits.count and len(bodies) + count * widest <= limits.size:
        yield _block(appended, 0, count, publishers, bodies)
        return
    start, lines = 0, split_bodies(bodies)
    units = _units(count, appended.wholes if limits.keep_whole else {})
    for end in _ends(lines, units, _lengths(publishers) if several else repeat(0), limits):
        some = publishers[start:end] if several else publishers
        yield _block(appended, start, end - start, some, b"".join(islice(lines, start, end)))
        start = end


def _ends(
    lines: list[bytes], units: Iterable[int], lengths: Iterable[int], limits: BlockLimits
) -> Iterator[int]:
    """Yield where each block ends, so that none is over `limits` unless it is one unit.

    `units` are the ends of what stays together; `lengths` those of the publishers' names, a
    message each.
    """
    sizes = (len(line) + length for line, length in zip(lines, lengths, strict=False))
    start = place = size = 0
    for end in units:
        own = sum(islice(sizes, end - place))
        if place > start and (end - start > limits.count or size + own > limits.size):
            yield place
            start, size = place, 0
        size += own
        place = end
    yield len(lines)


def _units(count: int, wholes: dict[int, int]) -> Iterator[int]:
    """Yield where each of `count` messages ends, those in `wholes` together."""
    place = 0
    while place < count:
        place = wholes.get(place, place + 1)
        yield place


def _lengths(emails: Collection[str]) -> list[int]:
    """Return how many bytes each takes in a line: escaped, in quotes and with its comma."""
    return [len(line) for line in split_bodies(encode_bodies([*emails]))]


def _publishers(runs: list[tuple[Account, int]]) -> list[str]:
    first = runs[0][0]
    if all(account is first or account.id == first.id for account, _ in runs):
        return [first.email]
    return [account.email for account, count in runs for _ in range(count)]


def _block(
    appended: TopicMessages, first: int, count: int, publishers: list[str], bodies: bytes
) -> Block:
    several = len(publishers) > 1 and any(email != publishers[0] for email in publishers)
    return Block(
        appended.topic.name,
        first,
        count,
        tuple(publishers) if several else (publishers[0],),
        NOT_YET,
        bodies,
    )
