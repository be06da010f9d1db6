"""What one commit appends to one topic, and how it is cut into blocks."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate, chain, repeat

from broker.block import Block
from broker.store.interface import Account
from broker.topics import Topic
from protocol.frames import encode_bodies, one_or_each, split_bodies

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
    size: int  # bytes of bodies, and of the longest e-mail for each where publishers differ
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
    publishers, count = block.publishers, block.count
    widest = _widest(publishers) if len(publishers) > 1 else 0
    if count <= limits.count and len(block.bodies) + count * widest <= limits.size:
        yield block
        return
    # Where each message begins in the bodies, and where the last one ends.
    begins = [*accumulate(map(len, split_bodies(block.bodies)), initial=0)]
    start = 0
    for end in _ends(begins, widest, limits, wholes):
        yield Block(
            block.topic_name,
            block.first_seq + start,
            end - start,
            one_or_each(publishers[start:end]) if widest else publishers,
            block.committed_at,
            block.bodies[begins[start] : begins[end]],
        )
        start = end


def _ends(
    begins: list[int], more: int, limits: BlockLimits, wholes: Mapping[int, int]
) -> Iterator[int]:
    """Yield where each block ends: none is over `limits` unless it is one message, or one whole.

    A message takes `more` bytes beside those of its body.
    """
    count, start, firsts = len(begins) - 1, 0, [*wholes]
    while start < count:
        last = min(start + limits.count, count)
        most = begins[start] + start * more + limits.size
        ends = range(start + 1, last + 1)
        fitting = bisect_right(ends, most, key=lambda end: begins[end] + end * more)
        end = start + max(fitting, 1)
        place = bisect_left(firsts, end) - 1
        if place >= 0 and wholes[firsts[place]] > end:  # it would be cut
            first = firsts[place]
            end = first if first > start else wholes[first]
        yield end
        start = end


def _widest(emails: Iterable[str]) -> int:
    """Return how many bytes the longest takes in a line: escaped, in quotes and with its comma."""
    return max(map(len, split_bodies(encode_bodies([*set(emails)]))))


def _publishers(runs: list[tuple[Account, int]]) -> tuple[str, ...]:
    first = runs[0][0]
    if all(account is first or account.id == first.id for account, _ in runs):
        return (first.email,)
    return tuple(chain.from_iterable(repeat(account.email, count) for account, count in runs))
