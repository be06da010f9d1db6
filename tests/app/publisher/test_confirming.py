"""Which messages all subscriptions have processed, and how little is asked for it."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from app.publisher.confirming import QUESTIONS, Confirming, Search
from app.publisher.sent import Mark, Row, SentList
from clients.values import Confirmations, TopicState

AT = datetime(2026, 1, 2, tzinfo=UTC)


def stored(sent: SentList, seq: int | None, topic: str = "T", now: float = 0.0) -> Row:
    row = Row(topic, "x", 1, AT, now)
    sent.add(row)
    sent.store(row, seq, now)
    return row


def state(head: int, *, subscribers: int = 2, behind: int = 0, topic: str = "T") -> TopicState:
    return TopicState(topic, head, AT, AT, subscribers, False, behind, behind)


def test_a_topic_where_nobody_is_behind_has_all_its_messages_confirmed() -> None:
    sent = SentList()
    rows = [stored(sent, 1), stored(sent, 2), stored(sent, 3)]
    confirming = Confirming(sent)
    confirming.take_topics([state(head=2)], asked_at=1.0)
    assert [row.mark for row in rows] == [Mark.CONFIRMED, Mark.CONFIRMED, Mark.STORED]
    assert (rows[0].confirmed, rows[0].subscriptions) == (2, 2)


def test_a_topic_that_is_behind_or_has_no_subscriber_tells_nothing() -> None:
    sent = SentList()
    row = stored(sent, 1)
    confirming = Confirming(sent)
    confirming.take_topics([state(head=1, behind=1)], asked_at=1.0)
    confirming.take_topics([state(head=1, subscribers=0)], asked_at=1.0)
    confirming.take_topics([state(head=1, topic="U")], asked_at=1.0)
    assert row.mark is Mark.STORED


def test_a_message_whose_seq_is_not_known_is_confirmed_with_what_was_there_when_asked() -> None:
    sent = SentList()
    before, after = stored(sent, None, now=1.0), stored(sent, None, now=3.0)
    Confirming(sent).take_topics([state(head=9)], asked_at=2.0)
    assert [before.mark, after.mark] == [Mark.CONFIRMED, Mark.STORED]


def test_one_answer_tells_of_all_messages_before_it() -> None:
    sent = SentList()
    rows = [stored(sent, 1), stored(sent, 2), stored(sent, 3), stored(sent, 2, topic="U")]
    confirming = Confirming(sent)
    confirming.take(Confirmations("T", 2, 1, 2))
    assert [row.confirmed for row in rows] == [1, 1, None, None]
    confirming.take(Confirmations("T", 2, 2, 2))
    assert [row.mark for row in rows] == [
        Mark.CONFIRMED,
        Mark.CONFIRMED,
        Mark.STORED,
        Mark.STORED,
    ]


def test_what_is_known_of_a_message_grows_only() -> None:
    sent = SentList()
    row = stored(sent, 1)
    confirming = Confirming(sent)
    confirming.take(Confirmations("T", 1, 2, 3))
    confirming.take(Confirmations("T", 5, 1, 3))
    assert (row.confirmed, row.subscriptions) == (2, 3)


def test_without_any_subscription_nothing_is_confirmed() -> None:
    sent = SentList()
    row = stored(sent, 1)
    Confirming(sent).take(Confirmations("T", 1, 0, 0))
    assert row.mark is Mark.STORED


def test_a_topic_is_asked_about_less_the_older_its_newest_message_is() -> None:
    sent = SentList()
    row = stored(sent, 1)
    confirming = Confirming(sent)
    asked = [now for now in range(1200) if confirming.due(float(now))]
    assert asked[:3] == [0, 1, 2]
    assert all(later - earlier <= 30 for earlier, later in pairwise(asked))
    assert 550 < asked[-1] <= 600
    assert len(asked) < 60
    sent.fail(row, "", 1.0)
    assert confirming.due(5000.0) == []


@pytest.mark.parametrize("through", range(9))
def test_a_search_finds_the_border_in_few_questions(through: int) -> None:
    seqs = [10, 20, 30, 40, 50, 60, 70, 80]
    known: set[int] = set()
    for _ in range(3):  # rounds
        search = Search([seq for seq in seqs if seq not in known])
        asked = 0
        while (seq := search.next()) is not None:
            asked += 1
            is_through = seq in seqs[:through]
            search.take(through=is_through)
            if is_through:
                known |= {one for one in seqs if one <= seq}
        assert asked <= QUESTIONS
    assert known == set(seqs[:through])


def test_a_search_through_nothing_asks_nothing() -> None:
    assert Search([]).next() is None
