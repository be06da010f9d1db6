"""What is stored of a producer's publishes, whichever blocks of a batch a crash has left."""

from dataclasses import replace
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from broker.producer import producer_of
from broker.store.interface import NewBlock, ProducerMark
from broker.store.jetstream.marks import marks_of, united
from broker.store.jetstream.record import Mark

KEY = (1, "till")
NOBODY: dict[tuple[int, str], list[int]] = {}


def blocks_of(places: list[list[int]]) -> list[NewBlock]:
    """Return blocks with these ids; who has published to one says its account, in any case."""
    return [
        NewBlock(1, max(len(ids), 1), [1], b"", {KEY: ids} if ids else NOBODY) for ids in places
    ]


def stored(mark: Mark, ids: set[int]) -> set[int]:
    producer = producer_of(ProducerMark(mark.account, mark.producer, mark.last_id, mark.refused))
    return {request_id for request_id in ids if producer.repeats(request_id)}


@given(st.data())
def test_a_repeat_is_known_by_whatever_was_left_of_a_batch(data: st.DataObject) -> None:
    """Batch after batch, of each of which some blocks are stored; then all of it comes again."""
    producer = producer_of(ProducerMark(*KEY, 0))
    known = Mark(*KEY, 0, (), 1)
    used: set[int] = set()
    there: set[int] = set()
    for _ in range(data.draw(st.integers(1, 4))):
        steps = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=12))
        blocks: list[list[int]] = [[] for _ in range(data.draw(st.integers(1, 4)))]
        for step in steps:
            request_id = producer.newest_id + step
            used.add(request_id)
            if data.draw(st.integers(0, 5)) == 0:
                producer.note_refused(request_id)
            else:
                producer.accept(request_id)
                data.draw(st.sampled_from(blocks)).append(request_id)
        marks = marks_of(producer.mark(), blocks_of(blocks))
        all_of_it = data.draw(st.booleans())
        left = [at for at in range(len(blocks)) if all_of_it or data.draw(st.booleans())]
        for at in data.draw(st.permutations(left)):
            mark = marks[at]
            if mark is not None and blocks[at]:
                known = united(known, mark)
                there |= {*blocks[at]}
        assert stored(known, used) == there
        if not all_of_it:
            # The next session goes on with what is known; whoever sent more sends it again, or
            # knows that it was refused.
            producer = producer_of(ProducerMark(*KEY, known.last_id, known.refused))
            used = {request_id for request_id in used if request_id <= known.last_id}


@given(st.permutations(range(4)), st.integers(1, 3))
def test_the_order_in_which_marks_are_found_does_not_matter(order: list[int], step: int) -> None:
    ids = [[step * (4 * turn + at) + 1 for turn in range(5)] for at in range(4)]
    mark = ProducerMark(*KEY, max(map(max, ids)), (100, 100))
    marks = [one for one in marks_of(mark, blocks_of(ids)) if one is not None]
    found = reduce(united, [marks[at] for at in order])
    assert stored(found, {one for some in ids for one in some}) == {
        one for some in ids for one in some
    }


def test_without_ids_the_mark_goes_with_the_last_block_of_its_account() -> None:
    mark = ProducerMark(*KEY, 7, (2, 5), epoch=3)
    blocks = [NewBlock(1, 1, [account], b"") for account in (1, 1, 2)]
    assert marks_of(mark, blocks) == [None, Mark(*KEY, 7, (2, 5), 3), None]
    nowhere = [replace(one, publishers=[2]) for one in blocks]
    assert marks_of(mark, nowhere) == [None, None, Mark(*KEY, 7, (2, 5), 3)]
