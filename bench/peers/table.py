"""The side-by-side table: a row for each server, a column for each work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.report import Table
from bench.tables import number

HEADS = {
    "publish": "publish, messages/s",
    "ingest": "ingest, messages/s",
    "fanout": "fanout, deliveries/s",
    "unread": "unread, messages/s",
    "p50": "p50, ms",
    "p99": "p99, ms",
    "memory": "idle, bytes each",
}


@dataclass
class Row:
    """A server, what its answer promises, and its figures by the keys of `HEADS`."""

    name: str
    promise: str
    figures: dict[str, float] = field(default_factory=dict)
    note: str = ""  # why there are no figures

    def note_round(self, work: str, figures: Mapping[str, float]) -> None:
        """Keep what is best of `figures` and what was there before."""
        if work == "latency":
            for name in ("p50", "p99"):
                figure = figures[f"{name}_ms"]
                self.figures[name] = min(figure, self.figures.get(name, figure))
        else:
            self.figures[work] = max(figures["per_s"], self.figures.get(work, 0.0))


def shown(rows: Sequence[Row], table_of: Table, *, what: str = "server") -> str:
    """Return the table, and below it what it lacks and why."""
    keys = [key for key in HEADS if any(key in row.figures for row in rows)]
    cells = [
        [row.name, row.promise, *(number(row.figures.get(key)) for key in keys)]
        for row in rows
        if not row.note
    ]
    heads = [what, "an answer says: the message is", *(HEADS[key] for key in keys)]
    notes = [f"{row.name} is left out: {row.note}" for row in rows if row.note]
    return "\n".join([table_of(heads, cells), *(["", *notes] if notes else []), ""])
