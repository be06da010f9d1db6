"""What one commit appends to one topic, and how it is cut into blocks."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
    """Cut a topic's messages into blocks within `limits`; their seqs are counted from 0."""
    whole = Block(
        appended.topic.name,
        0,
        len(appended.messages),
        _publishers(appended.runs),
        NOT_YET,
        encode_bodies(appended.messages),
    )
    return pieces(whole, limits, appended.wholes if limits.keep_whole else {})


def pieces(block: Block, limits: BlockLimits, wholes: Mapping[int, int] = {}) -> Iterator[Block]:
    """Cut a block into such as are within `limits`; what lies in `wholes` stays together."""
    publishers = block.publishers
    several = len(publishers) > 1
    widest = max(_lengths(set(publishers))) if several else 0
    if block.count <= limits.count and len(block.bodies) + block.count * widest <= limits.size:
        yield block
        return
    start, lines = 0, split_bodies(block.bodies)
    lengths = _lengths(publishers) if several else repeat(0)
    for end in _ends(lines, _units(block.count, wholes), lengths, limits):
        yield Block(
            block.topic_name,
            block.first_seq + start,
            end - start,
            _one_or_each(publishers[start:end]) if several else publishers,
            block.committed_at,
            b"".join(islice(lines, start, end)),
        )
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


def _units(count: int, wholes: Mapping[int, int]) -> Iterator[int]:
    """Yield where each of `count` messages ends, those in `wholes` together."""
    place = 0
    while place < count:
        place = wholes.get(place, place + 1)
        yield place


def _lengths(emails: Collection[str]) -> list[int]:
    """Return how many bytes each takes in a line: escaped, in quotes and with its comma."""
    return [len(line) for line in split_bodies(encode_bodies([*emails]))]


def _publishers(runs: list[tuple[Account, int]]) -> tuple[str, ...]:
    first = runs[0][0]
    if all(account is first or account.id == first.id for account, _ in runs):
        return (first.email,)
    return tuple(account.email for account, count in runs for _ in range(count))


def _one_or_each(publishers: Sequence[str]) -> Sequence[str]:
    same = all(email == publishers[0] for email in publishers)
    return publishers[:1] if same else publishers
