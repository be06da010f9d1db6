"""Producers: which ids are repeats, and what is remembered of the refused ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.producer import REFUSED_RUNS, Producer, producer_of
from broker.store.interface import ProducerMark
from protocol.reasons import Reason, RequestRefused
from protocol.replies import RequestId


def test_a_new_producer_repeats_nothing() -> None:
    producer = producer_of(ProducerMark(1, "till", 0))
    assert producer.last_id == 0
    assert not producer.repeats(1)
    assert not producer.repeats(2**63 - 1)


def test_what_was_stored_is_a_repeat_when_it_comes_again() -> None:
    producer = producer_of(ProducerMark(1, "till", 7))
    assert [producer.repeats(number) for number in (1, 6, 7, 8)] == [True, True, True, False]


def test_accepting_an_id_makes_it_and_those_before_it_repeats() -> None:
    producer = Producer(1, "till", 7)
    producer.accept(10)
    assert [producer.repeats(number) for number in (8, 10, 11)] == [True, True, False]


def test_a_refused_id_is_no_repeat_until_it_is_accepted() -> None:
    producer = Producer(1, "till", 7)
    producer.note_refused(8)
    producer.accept(9)
    assert [producer.repeats(number) for number in (8, 9)] == [False, True]
    producer.accept(8)
    assert producer.last_id == 9
    assert producer.repeats(8)


def test_what_is_refused_a_second_time_is_noted_once() -> None:
    producer = Producer(1, "till", 7)
    producer.note_refused(8)
    producer.note_refused(8)
    assert producer.mark().refused == (8, 8)


def test_an_id_that_was_stored_stays_a_repeat_when_it_comes_with_a_bad_request() -> None:
    producer = Producer(1, "till", 7)
    producer.note_refused(5)
    assert producer.repeats(5)


def test_refused_ids_need_not_rise() -> None:
    producer = Producer(1, "till", 7)
    producer.note_refused(10)
    producer.note_refused(8)
    assert producer.newest_id == 10
    producer.accept(11)
    # 9 did not come, so it is not stored either.
    assert [producer.repeats(number) for number in (7, 8, 9, 10, 11)] == [True] + [False] * 3 + [
        True
    ]


def test_any_number_of_refusals_in_a_row_is_remembered() -> None:
    producer = Producer(1, "till", 7)
    for number in range(8, 100_000):
        producer.note_refused(number)
    producer.accept(100_000)
    assert not any(producer.repeats(number) for number in range(8, 100_000))
    assert producer.mark().refused == (8, 99_999)


def test_only_so_many_runs_of_refusals_are_remembered_the_newest() -> None:
    producer = Producer(1, "till", 0)
    for number in range(1, 2 * (REFUSED_RUNS + 2), 2):
        producer.note_refused(number)
        producer.accept(number + 1)
    assert len(producer.mark().refused) == 2 * REFUSED_RUNS
    assert [producer.repeats(number) for number in (1, 3, 5, 7)] == [True, True, False, False]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=60))
def test_what_was_refused_is_never_taken_for_stored_nor_the_other_way_round(
    requests: list[tuple[bool, int]],
) -> None:
    producer = Producer(1, "till", 0)
    stored: set[int] = set()
    refused: set[int] = set()
    for good, number in requests:
        if producer.repeats(number):
            continue
        if good:
            producer.accept(number)
            stored.add(number)
            refused.discard(number)
        else:
            producer.note_refused(number)
            refused.add(number)
        producer = producer_of(producer.mark())
        assert all(map(producer.repeats, stored))
        assert not any(map(producer.repeats, refused))
        assert producer.newest_id == max(stored | refused)


def test_the_mark_brings_the_producer_back_as_it_was() -> None:
    producer = Producer(1, "till", 0, epoch=4)
    producer.note_refused(3)
    producer.accept(5)
    mark = producer.mark()
    assert mark == ProducerMark(1, "till", 5, (3, 3), epoch=4)
    assert producer_of(mark).mark() == mark


@pytest.mark.parametrize("request_id", ["1", "", True, 0, -1])
def test_an_id_that_is_no_integer_from_1_is_refused(request_id: RequestId) -> None:
    producer = Producer(1, "till", 7)
    with pytest.raises(RequestRefused) as refused:
        producer.repeats(request_id)
    assert refused.value.reason is Reason.BAD_REQUEST
    assert "integer id" in refused.value.text
    producer.note_refused(request_id)
    assert producer.mark() == ProducerMark(1, "till", 7)
