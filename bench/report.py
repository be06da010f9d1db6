"""The report: tables with bars for people, Markdown for pages, JSON for machines."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bench.limits import Limit
from bench.outcome import Figure, Outcome
from bench.tables import bar, markdown, number, table

_WHO = ("broker", "postgres", "publishers", "subscribers")
_FIGURES = ["work", "best", "median", "unit", "of the machine's own limit"]
_COSTS = ["us of processor a message", *_WHO, "messages a block"]

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], str]


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes of a run, and the machine's limits that belong to no work."""

    version: int
    outcomes: list[Outcome]
    machine: list[Limit]
    about: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def as_text(self, *, ascii_only: bool = False) -> str:
        """Return it for a terminal."""
        return "\n".join([*self._parts(table, ascii_only=ascii_only), ""])

    def as_markdown(self) -> str:
        """Return it for a page."""
        heads = [f"- {name}: {value}" for name, value in self.about.items()]
        return "\n".join([*heads, "", *self._parts(markdown, ascii_only=False), ""])

    def _parts(self, table_of: Table, *, ascii_only: bool) -> list[str]:
        figures = [figure for outcome in self.outcomes for figure in outcome.figures]
        limits = [
            f"{limit.name}: {limit.best:,.0f}/s, median {limit.median:,.0f}/s"
            for limit in self.machine
        ]
        return [
            table_of(_FIGURES, [_figure_row(figure, ascii_only) for figure in figures]),
            "",
            table_of(_COSTS, [_cost_row(outcome) for outcome in self.outcomes]),
            "",
            *(["; ".join(limits)] if limits else []),
            f"Version {self.version}. Nothing was lost, doubled or reordered.",
        ]


def _figure_row(figure: Figure, ascii_only: bool) -> list[str]:
    row = [figure.work, number(figure.best), number(figure.median), figure.unit]
    if figure.limit is None or figure.ratio is None:
        return [*row, ""]
    per_s = figure.limit.best
    limit = number(1e3 / per_s if figure.unit == "ms" else per_s)
    beside = f"{bar(figure.ratio, ascii_only=ascii_only)} {figure.ratio:.2f} of {limit}"
    return [*row, f"{beside} {figure.limit.name}"]


def _cost_row(outcome: Outcome) -> list[str]:
    cost = outcome.cost
    shares = [_with_share(cost.us_each.get(who), cost.share.get(who)) for who in _WHO]
    return [outcome.work, *shares, "-" if outcome.block is None else f"{outcome.block:,.0f}"]


def _with_share(us_each: float | None, share: float | None) -> str:
    return "-" if us_each is None or share is None else f"{us_each:,.2f} ({share:.0%})"
