"""Finds each lie in a history: what was promised and did not hold."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from tests.faults.history import (
    Acknowledged,
    Back,
    CaughtUp,
    Delivered,
    Failed,
    Faulted,
    History,
    Memory,
    Refused,
    Sent,
    SignedIn,
    Unanswered,
)

T = TypeVar("T")


class Lie(StrEnum):
    """What can be wrong."""

    LOST = "an acknowledged message is not stored"
    MISPLACED = "a message is not stored at the seq that was acknowledged"
    DOUBLED = "a message is stored twice"
    INVENTED = "a message is stored that nobody published"
    TAKEN_BACK = "a message is stored that was refused"
    OVERTAKEN = "a publisher's messages are stored in another order than it sent them"
    UNANSWERED = "a publish has no answer"
    NOT_STORED = "a message was delivered that is not stored"
    WRONG_ORDER = "messages were delivered in another order than the log has them"
    GAP = "a message was left out"
    REPEATED = "a message was handed to a version 2 program twice"
    UNREAD_LATE = "something unread came after a broadcast of its topic"
    UNREAD_COUNT = "the unread count differs from what was delivered as unread"
    MEMORY = "the broker took more memory than it may"
    NOT_BACK = "the service did not come back by itself"
    FAILED = "a program ended or complained as it never may"


@dataclass(frozen=True, slots=True)
class Violation:
    lie: Lie
    about: str

    def __str__(self) -> str:
        return f"{self.lie}: {self.about}"


def check(history: History, *, memory_limit: int | None = None) -> list[Violation]:
    """Return all that is wrong with `history`; nothing, where every promise was kept.

    Where the log could not be read in the end, only what can be known without it.
    """
    violations = [*_check_memory(history, memory_limit), *_check_recovery(history)]
    if history.log:
        violations += [
            *_check_log(history),
            *_check_publishers(history),
            *_check_deliveries(history),
            *_check_unread(history),
        ]
    return violations


def _check_log(history: History) -> Iterator[Violation]:
    sent = {event.text: number for number, event in enumerate(_all(history, Sent))}
    publishers = {event.text: event.publisher for event in _all(history, Sent)}
    for topic, texts in history.log.items():
        for text, count in Counter(texts).items():
            if count > 1:
                yield Violation(Lie.DOUBLED, f"{text!r} in {topic!r}, {count} times")
        newest: dict[str, str] = {}
        for text in dict.fromkeys(texts):
            if text not in sent:
                yield Violation(Lie.INVENTED, f"{text!r} in {topic!r}")
                continue
            before = newest.get(publishers[text])
            if before is not None and sent[before] > sent[text]:
                yield Violation(Lie.OVERTAKEN, f"{before!r} came before {text!r} in {topic!r}")
            newest[publishers[text]] = text


def _check_publishers(history: History) -> Iterator[Violation]:
    stored = {topic: set(texts) for topic, texts in history.log.items()}
    answered: set[str] = set()
    for event in history.events:
        if isinstance(event, Acknowledged | Refused | Unanswered):
            answered.add(event.text)
        if isinstance(event, Acknowledged):
            if event.text not in stored.get(event.topic, ()):
                yield Violation(Lie.LOST, f"{event.text!r} of {event.publisher}")
            elif event.seq is not None and _at(history, event.topic, event.seq) != event.text:
                yield Violation(Lie.MISPLACED, f"{event.text!r} is not at seq {event.seq}")
        elif (
            isinstance(event, Refused)
            and not event.in_doubt
            and event.text in stored.get(event.topic, ())
        ):
            yield Violation(Lie.TAKEN_BACK, f"{event.text!r} of {event.publisher}")
    for sent in _all(history, Sent):
        if sent.text not in answered:
            yield Violation(Lie.UNANSWERED, f"{sent.text!r} of {sent.publisher}")


def _check_deliveries(history: History) -> Iterator[Violation]:
    """Whoever has a topic has all of it, in its order, up to the end."""
    places = {
        topic: {text: seq for seq, text in enumerate(texts, 1)}
        for topic, texts in history.log.items()
    }
    subscribers = {event.subscriber for event in _all(history, SignedIn)}
    came: dict[tuple[str, str], list[Delivered]] = {
        (subscriber, topic): [] for subscriber in sorted(subscribers) for topic in history.log
    }
    for event in _all(history, Delivered):
        came.setdefault((event.subscriber, event.topic), []).append(event)
    for (subscriber, topic), deliveries in came.items():
        yield from _check_run(deliveries, places.get(topic, {}), f"{topic!r} for {subscriber}")


def _check_run(
    deliveries: list[Delivered], places: dict[str, int], whose: str
) -> Iterator[Violation]:
    newest = 0  # the highest place that came, all before which came too
    last = 0  # the place of the delivery before
    session: int | None = None
    for event in deliveries:
        place = places.get(event.text)
        if place is None or event.seq not in (None, place):
            yield Violation(Lie.NOT_STORED, f"{event.text!r} as seq {event.seq}, {whose}")
            continue
        if event.skipped and place <= newest:
            continue
        again = event.seq is None and event.session != session  # version 1 may repeat there
        if place > newest + 1:
            yield Violation(Lie.GAP, f"seqs {newest + 1} to {place - 1} of {whose}")
        elif event.seq is not None and place <= newest:
            yield Violation(Lie.REPEATED, f"seq {place} of {whose}")
        elif not again and place != last + 1:
            yield Violation(Lie.WRONG_ORDER, f"seq {place} after {last}, {whose}")
        newest, last, session = max(newest, place), place, event.session
    if newest < len(places):
        yield Violation(Lie.GAP, f"seqs {newest + 1} to {len(places)} of {whose}, up to the end")


def _check_unread(history: History) -> Iterator[Violation]:
    told = {
        (event.subscriber, event.session, topic): count
        for event in _all(history, SignedIn)
        for topic, count in event.unread.items()
    }
    came: Counter[tuple[str, int, str]] = Counter()
    live: set[tuple[str, int, str]] = set()
    for event in _all(history, Delivered):
        key = (event.subscriber, event.session, event.topic)
        if not event.unread:
            live.add(key)
            continue
        came[key] += 1
        if key in live:
            yield Violation(Lie.UNREAD_LATE, f"{event.text!r} for {event.subscriber}")
    caught_up = {(event.subscriber, event.session) for event in _all(history, CaughtUp)}
    for key, count in told.items():
        if came[key] > count or (key[:2] in caught_up and came[key] != count):
            subscriber, session, topic = key
            yield Violation(
                Lie.UNREAD_COUNT,
                f"{count} were told and {came[key]} came, {topic!r} for {subscriber} in"
                f" session {session}",
            )


def _check_memory(history: History, limit: int | None) -> Iterator[Violation]:
    most = max((event.bytes for event in _all(history, Memory)), default=0)
    if limit is not None and most > limit:
        yield Violation(Lie.MEMORY, f"{most} bytes, and {limit} are allowed")


def _check_recovery(history: History) -> Iterator[Violation]:
    for failed in _all(history, Failed):
        yield Violation(Lie.FAILED, failed.what)
    broken: str | None = None
    for event in history.events:
        if isinstance(event, Faulted):
            broken = event.fault
        elif isinstance(event, Back):
            broken = None
    if broken is not None:
        yield Violation(Lie.NOT_BACK, f"after {broken}")


def _at(history: History, topic: str, seq: int) -> str | None:
    texts = history.log[topic]
    return texts[seq - 1] if 0 < seq <= len(texts) else None


def _all(history: History, kind: type[T]) -> Iterable[T]:
    return (event for event in history.events if isinstance(event, kind))
