"""The checker finds every kind of lie, and none in a history without one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.checker import Lie, check
from tests.faults.history import (
    Acknowledged,
    Back,
    CaughtUp,
    Delivered,
    Event,
    Failed,
    Faulted,
    History,
    Memory,
    Refused,
    Sent,
    SignedIn,
    Unanswered,
)

LIMIT = 1_000


def truth() -> History:
    """A run with a fault in which every promise was kept."""
    return History(
        [
            SignedIn("two", 1, {"T": 0}),
            SignedIn("one", 1),
            *(Sent("p", "T", text) for text in "abcdef"),
            Acknowledged("p", "T", "a", 1),
            Acknowledged("p", "T", "b"),
            Delivered("two", 1, "T", "a", 1),
            Delivered("one", 1, "T", "a"),
            Delivered("one", 1, "T", "b"),
            Faulted("kill"),
            Memory(900),
            Unanswered("p", "T", "c"),
            Refused("p", "T", "d"),
            Refused("p", "T", "e", in_doubt=True),
            SignedIn("two", 2, {"T": 2}),
            Delivered("two", 2, "T", "b", 2, unread=True),
            Delivered("two", 2, "T", "e", 3, unread=True),
            Delivered("two", 2, "T", "e", 3, skipped=True),
            CaughtUp("two", 2),
            SignedIn("one", 2),
            Delivered("one", 2, "T", "b", unread=True),  # version 1 may have it again
            Delivered("one", 2, "T", "e", unread=True),
            Acknowledged("p", "T", "f", 4),
            Delivered("two", 2, "T", "f", 4),
            Delivered("one", 2, "T", "f"),
            Back("kill"),
        ],
        {"T": ["a", "b", "e", "f"]},
    )


def find(history: History, kind: type[Event], **values: object) -> int:
    """Return the place of the event of that kind with those values."""
    return next(
        place
        for place, event in enumerate(history.events)
        if isinstance(event, kind)
        and all(getattr(event, name) == value for name, value in values.items())
    )


def change(history: History, kind: type[Event], where: dict[str, object], **to: object) -> None:
    place = find(history, kind, **where)
    history.events[place] = replace(history.events[place], **to)  # type: ignore[arg-type]  # any field


def remove(history: History, kind: type[Event], **where: object) -> None:
    del history.events[find(history, kind, **where)]


def swap(history: History, first: str, second: str, subscriber: str) -> None:
    """Let `subscriber` get one message in the other's place."""
    places = [
        find(history, Delivered, subscriber=subscriber, text=text) for text in (first, second)
    ]
    events = history.events
    events[places[0]], events[places[1]] = events[places[1]], events[places[0]]


def lost(history: History) -> None:
    history.log["T"].remove("b")


def misplaced(history: History) -> None:
    change(history, Acknowledged, {"text": "a"}, seq=2)


def doubled(history: History) -> None:
    history.log["T"].append("a")


def invented(history: History) -> None:
    remove(history, Sent, text="b")


def taken_back(history: History) -> None:
    history.log["T"].append("d")


def overtaken(history: History) -> None:
    history.log["T"][2:] = ["f", "e"]


def unanswered(history: History) -> None:
    remove(history, Unanswered, text="c")


def not_stored(history: History) -> None:
    history.add(Delivered("one", 2, "T", "x"))


def stored_elsewhere(history: History) -> None:
    change(history, Delivered, {"text": "f", "subscriber": "two"}, seq=5)


def wrong_order(history: History) -> None:
    history.add(Delivered("one", 2, "T", "b"))


def out_of_turn(history: History) -> None:
    swap(history, "e", "f", "one")


def gap(history: History) -> None:
    remove(history, Delivered, text="b", subscriber="two")


def gap_in_version_1(history: History) -> None:
    remove(history, Delivered, text="e", subscriber="one")


def end_left_out(history: History) -> None:
    remove(history, Delivered, text="f", subscriber="one")


def nothing_came(history: History) -> None:
    history.events.insert(0, SignedIn("three", 1))


def repeated(history: History) -> None:
    history.add(Delivered("two", 2, "T", "f", 4))


def repeated_after_a_sign_in(history: History) -> None:
    history.add(Delivered("two", 3, "T", "a", 1))


def unread_late(history: History) -> None:
    change(history, Delivered, {"text": "e", "subscriber": "one"}, unread=False)
    change(history, Delivered, {"text": "f", "subscriber": "one"}, unread=True)


def too_few_unread(history: History) -> None:
    change(history, SignedIn, {"subscriber": "two", "session": 2}, unread={"T": 3})


def too_many_unread(history: History) -> None:
    change(history, SignedIn, {"subscriber": "two", "session": 2}, unread={"T": 1})
    remove(history, CaughtUp)


def memory(history: History) -> None:
    history.add(Memory(LIMIT + 1))


def not_back(history: History) -> None:
    remove(history, Back)


def failed(history: History) -> None:
    history.add(Failed("the broker ended with 1"))


LIES: list[tuple[Callable[[History], None], Lie]] = [
    (lost, Lie.LOST),
    (misplaced, Lie.MISPLACED),
    (doubled, Lie.DOUBLED),
    (invented, Lie.INVENTED),
    (taken_back, Lie.TAKEN_BACK),
    (overtaken, Lie.OVERTAKEN),
    (unanswered, Lie.UNANSWERED),
    (not_stored, Lie.NOT_STORED),
    (stored_elsewhere, Lie.NOT_STORED),
    (wrong_order, Lie.WRONG_ORDER),
    (out_of_turn, Lie.GAP),
    (gap, Lie.GAP),
    (gap_in_version_1, Lie.GAP),
    (end_left_out, Lie.GAP),
    (nothing_came, Lie.GAP),
    (repeated, Lie.REPEATED),
    (repeated_after_a_sign_in, Lie.REPEATED),
    (unread_late, Lie.UNREAD_LATE),
    (too_few_unread, Lie.UNREAD_COUNT),
    (too_many_unread, Lie.UNREAD_COUNT),
    (memory, Lie.MEMORY),
    (not_back, Lie.NOT_BACK),
    (failed, Lie.FAILED),
]


def test_a_history_without_a_lie_passes() -> None:
    assert check(truth(), memory_limit=LIMIT) == []


@pytest.mark.parametrize(("tell", "lie"), LIES, ids=[tell.__name__ for tell, _ in LIES])
def test_a_lie_is_found(tell: Callable[[History], None], lie: Lie) -> None:
    history = truth()
    tell(history)
    found = check(history, memory_limit=LIMIT)
    assert lie in {violation.lie for violation in found}
    assert str(found[0]).startswith(found[0].lie)


def test_every_kind_of_lie_is_told_here() -> None:
    assert {lie for _, lie in LIES} == {*Lie}
