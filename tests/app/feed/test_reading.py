"""How far a reader has read, and what has been before the eyes."""

from hypothesis import given
from hypothesis import strategies as st

from app.feed.gaze import Gaze
from app.feed.reading import Reading
from app.feed.ring import Ring
from app.feed.rows import DividerRow, Row
from tests.app.feed.host import row, rows


class Reader:
    """A reading over a ring that holds `capacity` rows."""

    def __init__(self, capacity: int = 100) -> None:
        self.ring = Ring(capacity)
        self.reading = Reading(self.ring)

    def come(self, *new: Row) -> None:
        first = self.ring.end
        self.ring.append_many(new)
        self.reading.came(first, new)
        self.reading.forget()


def test_the_position_is_the_last_of_those_shown_without_a_gap() -> None:
    reader = Reader()
    reader.come(*rows(11, 20))
    reader.reading.show([2, 3])
    assert reader.reading.take_moved() == {}
    reader.reading.show([0])
    assert reader.reading.take_moved() == {"orders": 11}
    reader.reading.show([1])
    assert reader.reading.take_moved() == {"orders": 14}
    assert reader.reading.take_moved() == {}


def test_each_topic_has_its_own_position() -> None:
    reader = Reader()
    reader.come(row(1), row(7, topic="audit"), DividerRow("live"), row(2), row(8, topic="audit"))
    reader.reading.show([1, 2, 3, 4])
    assert reader.reading.take_moved() == {"audit": 8}
    reader.reading.show([0])
    assert reader.reading.take_moved() == {"orders": 2}


def test_seqs_that_never_came_do_not_hold_the_position_up() -> None:
    reader = Reader()
    reader.come(row(1), row(9))
    reader.reading.show([0, 1])
    assert reader.reading.position("orders") == 9


def test_a_row_that_left_unseen_holds_the_position_until_the_reader_says_so() -> None:
    reader = Reader(capacity=5)
    reader.come(*rows(1, 3))
    reader.reading.show([0])
    reader.come(*rows(4, 8))  # 1 to 3 have left; nobody saw 2 and 3
    reader.reading.show(range(3, 8))
    assert reader.reading.position("orders") == 1
    assert reader.reading.stuck == {"orders"}
    reader.reading.mark_read()
    assert reader.reading.position("orders") == 8
    assert not reader.reading.stuck
    reader.come(row(9))
    reader.reading.show([8])
    assert reader.reading.position("orders") == 9


def test_rows_that_left_after_they_were_shown_hold_nothing_up() -> None:
    reader = Reader(capacity=5)
    for seq in range(1, 30):
        reader.come(row(seq))
        reader.reading.show([seq - 1])
        assert reader.reading.position("orders") == seq
    assert not reader.reading.stuck


def test_more_rows_than_the_ring_holds_at_once_leave_the_first_unseen() -> None:
    reader = Reader(capacity=5)
    reader.come(*rows(1, 12))
    reader.reading.show(range(12))
    assert reader.reading.position("orders") is None
    assert reader.reading.stuck == {"orders"}


def test_marking_one_topic_read_leaves_the_others() -> None:
    reader = Reader()
    reader.come(row(1), row(7, topic="audit"))
    reader.reading.mark_read("audit")
    assert reader.reading.take_moved() == {"audit": 7}
    reader.reading.mark_read("unheard of")
    assert reader.reading.take_moved() == {}


def test_an_unread_row_is_read_once_shown_or_passed_by_the_position() -> None:
    reader = Reader()
    unread = [one._replace(unread=True) for one in rows(1, 4)]
    reader.come(*unread, row(5))
    reader.reading.show([2])
    marks = [reader.reading.is_unread(number, one) for number, one in enumerate(unread)]
    assert marks == [True, True, False, True]
    assert not reader.reading.is_unread(4, row(5))
    reader.reading.mark_read()
    assert not any(reader.reading.is_unread(number, one) for number, one in enumerate(unread))


def test_a_slot_that_is_used_again_has_not_been_shown() -> None:
    reader = Reader(capacity=2)
    reader.come(row(1), row(2))
    reader.reading.show([0, 1])
    reader.come(row(3))
    assert not reader.reading.was_shown(2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=40))
def test_a_position_never_passes_a_message_that_was_not_shown(
    steps: list[tuple[str, bool, bool]],
) -> None:
    reader = Reader(capacity=6)
    seqs = dict.fromkeys("abc", 0)
    shown: set[tuple[str, int]] = set()
    for number, (topic, show_it, show_older) in enumerate(steps):
        seqs[topic] += 1
        reader.come(row(seqs[topic], topic=topic))
        looked_at = [number] * show_it + [max(reader.ring.first, number - 3)] * show_older
        for one in looked_at:
            kept = reader.ring.row(one)
            assert not isinstance(kept, DividerRow)
            shown.add((kept.topic, kept.seq))
        reader.reading.show(looked_at)
        for name in "abc":
            position = reader.reading.position(name) or 0
            assert all((name, seq) in shown for seq in range(1, position + 1))


def test_a_row_has_been_shown_after_a_second_on_end() -> None:
    gaze = Gaze(dwell_s=1.0)
    assert gaze.look([1, 2], 0.0, following=False) == []
    assert gaze.look([2, 3], 0.5, following=False) == []
    assert gaze.look([2, 3], 1.0, following=False) == [2]
    assert gaze.look([1, 3], 1.25, following=False) == []
    assert gaze.look([1, 3], 1.5, following=False) == [3]


def test_turning_away_begins_again() -> None:
    gaze = Gaze(dwell_s=1.0)
    gaze.look([1], 0.0, following=False)
    gaze.turn_away()
    assert gaze.look([1], 5.0, following=False) == []
    assert gaze.look([1], 6.0, following=False) == [1]


def test_who_follows_has_been_shown_what_newer_rows_push_out() -> None:
    gaze = Gaze(dwell_s=1.0)
    gaze.look([1, 2, 3], 0.0, following=True)
    assert gaze.look([3, 4, 5], 0.1, following=True) == [1, 2]
    assert gaze.look([9, 10, 11], 0.2, following=True) == [3, 4, 5]  # 6 to 8 never were there
