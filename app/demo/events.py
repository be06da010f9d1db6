"""What the steps tell of themselves, to a screen or to a script."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from clients import State


class Pane(StrEnum):
    """Where something happens."""

    PUBLISHER = "Publisher"
    BROKER = "Broker"
    SUBSCRIBER = "Subscriber"


class Mark(StrEnum):
    """What kind of thing happened."""

    SENT = "sent"  # and not answered yet
    STORED = "stored"  # on the broker's disk
    CONFIRMED = "confirmed"  # by every subscription
    RESENT = "resent"  # under the same id, after a lost connection
    REFUSED = "refused"
    UNREAD = "unread"  # delivered; published while the subscriber was away
    LIVE = "live"  # delivered as it was published
    ASKED = "asked"  # a raw line to the broker
    ANSWERED = "answered"  # a raw line from the broker
    FACT = "fact"  # anything else that is so now


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in words; `note` is what was measured about it.

    Events with the same `row` are about the same message of a publisher. One of `many` comes
    with thousands of its like: a script leaves it out, and says how many there were.
    """

    pane: Pane
    who: str
    mark: Mark
    text: str
    note: str = ""
    row: int = 0
    many: bool = False


class Audience(Protocol):
    """Who is told. Nothing here may raise."""

    def told(self, event: Event) -> None:
        """Something happened."""

    def stands(self, who: str, state: State) -> None:
        """The connection of `who` stands like this now."""

    async def beat(self, seconds: float) -> None:
        """Leave time to look, as much as this audience needs."""
