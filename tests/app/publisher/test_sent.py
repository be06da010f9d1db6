"""The rows of what was sent."""

from collections.abc import Callable
from datetime import UTC, datetime

from app.publisher import sent as module
from app.publisher.sent import Mark, Row, SentList


def row(text: str = "x", began: float = 0.0) -> Row:
    return Row("T", text, len(text), datetime(2026, 1, 2, tzinfo=UTC), began)


def test_a_row_goes_from_waiting_to_stored_and_is_counted() -> None:
    sent, one = SentList(), row(began=10.0)
    sent.add(one)
    assert (one.mark, one.took_s, one.waits_s(12.5)) == (Mark.WAITING, None, 2.5)
    sent.resend(one)
    assert (one.mark, one.seq) == (Mark.RESENDING, None)
    sent.store(one, 7, 13.0)
    assert (one.mark, one.seq, one.took_s, one.waits_s(20.0)) == (Mark.STORED, 7, 3.0, 0.0)
    sent.resend(one)
    assert (one.mark, one.seq) == (Mark.STORED, 7)
    assert (sent.stored, sent.failed) == (1, 0)


def test_a_refused_row_says_why() -> None:
    sent, one = SentList(), row()
    sent.add(one)
    sent.fail(one, "there is no topic", 1.0)
    assert (one.mark, one.why, sent.failed) == (Mark.FAILED, "there is no topic", 1)


def test_whatever_can_be_seen_to_change_is_counted_as_a_change() -> None:
    sent, one = SentList(), row()
    seen = {sent.changes}
    changes: list[Callable[[], None]] = [
        lambda: sent.add(one),
        lambda: sent.resend(one),
        lambda: sent.store(one, 1, 1.0),
        lambda: sent.count(stored=3),
    ]
    for change in changes:
        change()
        assert sent.changes not in seen
        seen.add(sent.changes)


def test_the_oldest_settled_rows_go_first_and_waiting_ones_never() -> None:
    sent = SentList()
    rows = [row() for _ in range(module.MOST_ROWS)]
    for one in rows:
        sent.add(one)
    sent.store(rows[1], 1, 1.0)
    sent.add(row())
    assert rows[0] in sent.rows
    assert rows[1] not in sent.rows
    sent.add(row())
    assert len(sent.rows) == module.MOST_ROWS + 1  # all of them wait
    assert sent.stored == 1  # forgetting a row uncounts nothing


def test_large_messages_make_fewer_rows() -> None:
    sent = SentList()
    for _ in range(10):
        one = row("x" * (module.MOST_CHARACTERS // 4))
        sent.add(one)
        sent.store(one, 1, 1.0)
    assert len(sent.rows) == 4


def test_places_count_from_the_newest() -> None:
    sent = SentList()
    first, second = row(), row()
    sent.add(first)
    sent.add(second)
    assert [sent.newest_first(place) for place in (-1, 0, 1, 2)] == [None, second, first, None]
    assert sent.place_of(first.number) == 1
    assert sent.place_of(0) is None
