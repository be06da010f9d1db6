"""What a round does, decided by its seed alone."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.faults.breaking import ANYWHERE, FAULTS, KILLS

FAULTS_A_ROUND = 12
LONGEST_PAUSE_S = 1.0

# A kill of the broker alone is what happens most often.
_KILL_WEIGHTS = [6, 2, 2, 2, 2, 1, 1]

FEW_AT_ONCE = 5  # messages that a publisher sends without waiting
MANY_TOPICS = 40
MANY_AT_ONCE = 80  # of which so many go to enough topics for a page of the journal


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: its name, the pause before it, and the seed of what it decides itself."""

    fault: str
    pause_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A round: what runs, and what happens to it."""

    seed: int
    embedded: bool
    topics: int
    publishers: tuple[int, int]  # so many of version 1, so many of version 2
    subscribers: tuple[int, int]
    visitors: int
    steps: tuple[Step, ...]
    at_once: int = FEW_AT_ONCE

    @property
    def place(self) -> str:
        place = "PostgreSQL as its child" if self.embedded else "the store as a server"
        return f"{place}, {self.topics} topics"

    def with_many_topics(self) -> "Plan":
        """Return the round with so many topics that messages go through the journal."""
        return replace(self, topics=MANY_TOPICS, at_once=MANY_AT_ONCE)


def plan(seed: int, *, faults: int = FAULTS_A_ROUND) -> Plan:
    """Return the round of `seed`: the same each time."""
    return _plan(
        seed, lambda rng, embedded: rng.choices([*(ANYWHERE if embedded else FAULTS)], k=faults)
    )


def plan_kills(seed: int, kills: int) -> Plan:
    """Return a round of so many `kill -9`."""
    return _plan(seed, lambda rng, _: rng.choices([*KILLS], _KILL_WEIGHTS, k=kills))


def _plan(seed: int, choose: Callable[[random.Random, bool], list[str]]) -> Plan:
    rng = random.Random(seed)
    embedded = rng.random() < 0.5
    chosen = Plan(
        seed,
        embedded,
        topics=rng.randint(1, 3),
        publishers=(rng.randint(1, 2), rng.randint(1, 2)),
        subscribers=(rng.randint(1, 2), rng.randint(1, 2)),
        visitors=1,
        steps=tuple(
            Step(fault, rng.uniform(0, LONGEST_PAUSE_S) ** 2, rng.randrange(2**32))
            for fault in choose(rng, embedded)
        ),
    )
    # Others than a broker with PostgreSQL as its child have no journal.
    return chosen.with_many_topics() if embedded and rng.random() < 0.5 else chosen
