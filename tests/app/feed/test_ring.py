"""The newest rows, by number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feed.ring import Ring
from app.feed.rows import DividerRow, Row
from tests.app.feed.host import row, rows

BATCHES = st.lists(st.integers(0, 9), max_size=12)


@given(st.integers(1, 7), BATCHES)
def test_a_ring_holds_the_newest_rows_under_their_numbers(capacity: int, sizes: list[int]) -> None:
    ring = Ring(capacity)
    came: list[Row] = []
    for size in sizes:
        batch: list[Row] = [row(len(came) + at) for at in range(size)]
        ring.append_many(batch)
        came += batch
        kept = came[-capacity:]
        assert len(ring) == len(kept)
        assert (ring.end, ring.dropped) == (len(came), len(came) - len(kept))
        assert ring.rows(0, ring.end) == kept
        assert [ring.row(number) for number in range(ring.first, ring.end)] == kept


def test_a_part_of_the_rows_is_found_wherever_the_ring_wraps() -> None:
    ring = Ring(5)
    came = rows(0, 22)
    for one in came:
        ring.append_many([one])
        for start in range(ring.first, ring.end + 1):
            for stop in range(start, ring.end + 1):
                assert ring.rows(start, stop) == came[start:stop]


def test_a_row_that_has_left_or_not_come_is_not_there() -> None:
    ring = Ring(3)
    ring.append_many(rows(0, 4))
    for number in (-1, 1, 5):
        with pytest.raises(IndexError):
            ring.row(number)


def test_messages_are_counted_without_the_dividers() -> None:
    ring = Ring(4)
    ring.append_many([DividerRow("old"), row(1), DividerRow("new"), row(2), row(3)])
    assert ring.count_messages(0, 5) == 3
    assert ring.count_messages(2, 4) == 1
    assert ring.count_messages(4, 2) == 0


def test_a_ring_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        Ring(0)


def test_dividers_that_have_left_are_forgotten() -> None:
    ring = Ring(4)
    for number in range(100):
        ring.append_many([DividerRow(f"{number}")])
    assert len(ring._dividers) == 4
