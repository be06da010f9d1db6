"""What clients saw in a run with faults, event by event, as each of them saw it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sent:
    """A publisher handed a message over. No two messages have the same text."""

    publisher: str
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker said that it is on disk; `seq` is None where it did not say at which place."""

    publisher: str
    topic: str
    text: str
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker answered with an error. With `in_doubt` it did not say that it is not stored."""

    publisher: str
    topic: str
    text: str
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The connection ended before the answer, and the publisher did not send it again."""

    publisher: str
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A subscriber's session begins; `unread` by topic, where the broker told."""

    subscriber: str
    session: int
    unread: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message reached a subscriber; `seq` is None in version 1.

    `skipped` tells that a program without the library knew the seq already, and passed it over.
    """

    subscriber: str
    session: int
    topic: str
    text: str
    seq: int | None = None
    unread: bool = False
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All that was unread when the session began is said to have come."""

    subscriber: str
    session: int


@dataclass(frozen=True, slots=True)
class Faulted:
    """Something was broken."""

    fault: str


@dataclass(frozen=True, slots=True)
class Back:
    """After that fault a message was stored and delivered, and nobody had helped."""

    fault: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A program of ours ended or complained as it never may."""

    what: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the broker's process had in memory."""

    bytes: int


Event = (
    Sent
    | Acknowledged
    | Refused
    | Unanswered
    | SignedIn
    | Delivered
    | CaughtUp
    | Faulted
    | Back
    | Failed
    | Memory
)


@dataclass(slots=True)
class History:
    """The events in the order in which they were seen, and what the log held in the end.

    Every subscriber had subscribed to every topic before anything was published.
    """

    events: list[Event] = field(default_factory=list)
    log: dict[str, list[str]] = field(default_factory=dict)  # by topic, seq 1 first

    def add(self, event: Event) -> None:
        self.events.append(event)
