"""The report: aligned tables for people, JSON for machines."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.limits import Limit
from bench.outcome import Figure, Outcome

_WHO = ("broker", "postgres", "publishers", "subscribers")
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes of a run, and the machine's limits that belong to no work."""

    version: int
    outcomes: list[Outcome]
    machine: list[Limit]

    def as_json(self) -> str:
        about = {"python": platform.python_version(), "processors": os.cpu_count()}
        return json.dumps({**asdict(self), **about}, indent=2)

    def as_text(self) -> str:
        """Return the tables, one below the other."""
        figures = [figure for outcome in self.outcomes for figure in outcome.figures]
        parts = [
            _table(
                ["work", "best", "median", "unit", "the machine's limit", "best", "ratio"],
                [_figure_row(figure) for figure in figures],
            ),
            "Processor time: microseconds a message or delivery, and share of one processor",
            _table(
                ["work", *_WHO, "messages/block"], [_cost_row(outcome) for outcome in self.outcomes]
            ),
            *(
                f"{limit.name}: {limit.best:,.0f}/s, median {limit.median:,.0f}/s"
                for limit in self.machine
            ),
            f"Version {self.version}. Nothing was lost, doubled or reordered.",
        ]
        return "\n".join(parts)


def _figure_row(figure: Figure) -> list[str]:
    row = [figure.work, _number(figure.best), _number(figure.median), figure.unit]
    if figure.limit is None:
        return [*row, _NOTHING, _NOTHING, _NOTHING]
    per_s = figure.limit.best
    limit = 1e3 / per_s if figure.unit == "ms" else per_s
    return [*row, figure.limit.name, _number(limit), _number(figure.ratio)]


def _cost_row(outcome: Outcome) -> list[str]:
    cost = outcome.cost
    shares = [_with_share(cost.us_each.get(who), cost.share.get(who)) for who in _WHO]
    block = _NOTHING if outcome.block is None else f"{outcome.block:,.0f}"
    return [outcome.work, *shares, block]


def _with_share(us_each: float | None, share: float | None) -> str:
    return _NOTHING if us_each is None or share is None else f"{us_each:,.2f} ({share:.0%})"


def _number(value: float | None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows under their heads, numbers to the right and words to the left."""
    columns = list(zip(heads, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [all(not cell[:1].isdigit() for cell in column[1:]) for column in columns]
    lines = []
    for row in (heads, *rows):
        cells = zip(row, widths, words, strict=True)
        lines.append(
            "  ".join(
                cell.ljust(width) if is_word else cell.rjust(width)
                for cell, width, is_word in cells
            ).rstrip()
        )
    return "\n".join([*lines, ""])
