"""Prometheus' text format, version 0.0.4: how metrics are written down."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isnan

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Kind(StrEnum):
    COUNTER = "counter"  # only rises, until the broker is started again
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Sample:
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """A name with its unit in it, what it tells in a sentence, and its values just now."""

    name: str
    help: str
    kind: Kind
    samples: list[Sample]


def exposition(metrics: Iterable[Metric]) -> str:
    return "".join(line + "\n" for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {_escaped(metric.help)}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for sample in metric.samples:
        labels = ",".join(
            f'{name}="{_quotes_escaped(value)}"' for name, value in sample.labels.items()
        )
        yield (
            f"{metric.name}{{{labels}}} {_number(sample.value)}"
            if labels
            else (f"{metric.name} {_number(sample.value)}")
        )


def _number(value: float) -> str:
    if isnan(value):
        return "NaN"
    return str(value) if isinstance(value, int) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quotes_escaped(text: str) -> str:
    # A lone surrogate is no UTF-8, and one name must not make the whole page unreadable.
    return _escaped(text).replace('"', '\\"').encode(errors="replace").decode()
