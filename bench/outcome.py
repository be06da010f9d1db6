"""What a work comes to: a figure with the machine's limit beside it, and what it cost."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.limits import Limit
from bench.round import PERCENTILES, Round


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure over all rounds; the best is the lowest where it is a time."""

    work: str
    unit: str
    best: float
    median: float
    limit: Limit | None
    ratio: float | None  # of the best to the limit's best; 1 is as fast as the machine


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time in the round with the best figure, by who used it.

    `us_each` is microseconds a message, or a delivery where those are counted; `share` is
    of one processor.
    """

    us_each: dict[str, float | None]
    share: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A work's figures, what they cost, and how many messages were committed together."""

    work: str
    figures: list[Figure]
    cost: Cost
    block: float | None
    rounds: list[Round]


def speed(work: str, unit: str, rounds: Sequence[Round], limit: Limit | None) -> Outcome:
    """Return the outcome of a work that is measured in units a second."""
    figures = [one.figures["per_s"] for one in rounds]
    best = max(figures)
    ratio = best / limit.best if limit is not None else None
    figure = Figure(work, unit, best, statistics.median(figures), limit, ratio)
    return _outcome(work, [figure], rounds, rounds[figures.index(best)])


def delay(work: str, rounds: Sequence[Round], limit: Limit | None) -> Outcome:
    """Return the outcome of a work that is measured in milliseconds; `limit` is its p50's."""
    figures = []
    for name in PERCENTILES:
        times = [one.figures[name] for one in rounds]
        beside = limit if name == "p50_ms" else None
        told = f"{work}, {name.removesuffix('_ms')}"
        figures.append(_time(told, min(times), statistics.median(times), beside))
    best = min(rounds, key=lambda one: one.figures["p50_ms"])
    return _outcome(work, figures, rounds, best)


def crowd(work: str, served: Round, limit: Limit | None) -> Outcome:
    """Return the outcome of serving a crowd; `limit` is that of the slowest delivery."""
    median, slowest = served.figures["p50_ms"], served.figures["slowest_ms"]
    figures = [
        _time(f"{work}: median delivery", median, median, None),
        _time(f"{work}: slowest delivery", slowest, slowest, limit),
    ]
    if "bytes" in served.figures:
        each = served.figures["bytes"]
        figures.insert(0, Figure(f"{work}: memory", "bytes each", each, each, None, None))
    return _outcome(work, figures, [served], served)


def typical_block(rounds: Sequence[Round]) -> float | None:
    """Return how many messages a block had, over all rounds where that was looked up."""
    blocks = [one.block for one in rounds if one.block is not None]
    return statistics.mean(blocks) if blocks else None


def _time(name: str, best: float, median: float, limit: Limit | None) -> Figure:
    ratio = 1e3 / limit.best / best if limit is not None else None
    return Figure(name, "ms", best, median, limit, ratio)


def _outcome(work: str, figures: list[Figure], rounds: Sequence[Round], best: Round) -> Outcome:
    each = {who: _scaled(used, 1e6 / best.units) for who, used in best.cpu_s.items()}
    share = {who: _scaled(used, 1 / best.elapsed_s) for who, used in best.cpu_s.items()}
    return Outcome(work, figures, Cost(each, share), typical_block(rounds), [*rounds])


def _scaled(used: float | None, factor: float) -> float | None:
    return None if used is None else used * factor
