"""What of a producer's publishes is stored, told by each message of a topic's stream.

A batch is stored block by block, so each block says what is stored if it is: all that was
before, and its own publishes. What a producer has come to is what any of its marks says.
"""

from collections.abc import Iterable, Iterator, Sequence

from broker.store.interface import NewBlock, ProducerMark
from broker.store.jetstream.record import Mark

_ALL = 2**63  # above every id

Run = tuple[int, int]  # the first and the last of ids that follow one another


def marks_of(mark: ProducerMark, blocks: Sequence[NewBlock]) -> list[Mark | None]:
    """Return for each block of a batch the producer's mark that goes with it, if one does.

    Where the blocks name no ids, the mark goes with the last that the account published to.
    """
    key = (mark.account_id, mark.producer)
    own = [set(block.ids.get(key, ())) for block in blocks]
    if not any(own):
        last = max(
            (at for at, block in enumerate(blocks) if mark.account_id in block.publishers),
            default=len(blocks) - 1,
        )
        return [Mark.of(mark) if at == last else None for at in range(len(blocks))]
    everything = sorted(set().union(*own))
    return [_with(mark, everything, ids) if ids else None for ids in own]


def _with(mark: ProducerMark, everything: list[int], own: set[int]) -> Mark:
    """Return the mark which says that of the batch's ids only `own` are stored."""
    missing = _joined(sorted([*_runs(mark.refused), *_between(everything, own)]))
    refused = tuple(number for run in missing for number in run)
    return Mark(mark.account_id, mark.producer, mark.last_id, refused, mark.epoch)


def _between(everything: list[int], own: set[int]) -> Iterator[Run]:
    """Yield the runs of ids that are not `own`."""
    first = last = None
    for request_id in everything:
        if request_id not in own:
            first, last = request_id if first is None else first, request_id
        elif first is not None and last is not None:
            yield first, last
            first = None
    if first is not None and last is not None:
        yield first, last


def united(one: Mark, other: Mark) -> Mark:
    """Return what both say: an id is stored if one of them says so."""
    missing = [*_both(_missing(one), _missing(other))]
    refused = tuple(number for run in missing[:-1] for number in run)
    last_id = max(one.last_id, other.last_id)
    return Mark(one.account, one.producer, last_id, refused, max(one.epoch, other.epoch))


def _missing(mark: Mark) -> list[Run]:
    """Return the runs of ids that are not stored; the last is what is above all."""
    return [*_runs(mark.refused), (mark.last_id + 1, _ALL)]


def _runs(numbers: Sequence[int]) -> Iterator[Run]:
    return zip(numbers[::2], numbers[1::2], strict=True)


def _joined(runs: Iterable[Run]) -> list[Run]:
    """Return `runs`, which are sorted, without those that lie in one another."""
    found: list[Run] = []
    for first, last in runs:
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _both(some: list[Run], others: list[Run]) -> Iterator[Run]:
    """Yield what lies in both."""
    left, right = 0, 0
    while left < len(some) and right < len(others):
        first = max(some[left][0], others[right][0])
        last = min(some[left][1], others[right][1])
        if first <= last:
            yield first, last
        if some[left][1] < others[right][1]:
            left += 1
        else:
            right += 1
