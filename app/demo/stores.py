"""Where the demonstration's broker keeps its state: a place of its own, gone afterwards."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of a store where the demonstration speaks of it."""

    name: str
    starting: str  # a sentence, while it is made ready
    kept: str  # where a message is that has its ✓
    data: str  # what the data is, for the bar
    place: str  # what is made anew


class Stores(Protocol):
    """Makes places for a broker's state, one after the other, each with the sample data.

    Every method raises `StoreUnusable` where it cannot be done, and says why in a sentence.
    """

    @property
    def words(self) -> Words: ...

    async def start(self) -> None:
        """Make it ready; after a failure or a cancel `stop` removes what there is."""

    async def fresh(self) -> str:
        """Make a place, fill it, and return the URL that `pubsub broker --store` takes for it.

        After a failure or a cancel `drop` removes what there is of it.
        """

    async def drop(self) -> None:
        """Remove the places there are; nobody uses them. Harmless when repeated.

        What a failure has left is tried again by the next `drop` or `stop`.
        """

    async def stop(self) -> None:
        """Remove everything there is. Harmless when repeated, or never started."""
