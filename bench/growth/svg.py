"""A chart as SVG: lines over a logarithmic axis, from zero up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 64, 52
STEPS = 5  # of the upright axis
_ROUND = (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10)
COLOURS = ("#0b6e99", "#c4561b", "#5a7d2a")  # told apart by brightness, too


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: what it is, and its value at each point."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same points, which are all above zero and rise."""

    title: str
    across: str  # what the points count
    up: str  # what the values are, with their unit
    points: Sequence[int]
    lines: Sequence[Line]

    def svg(self) -> str:
        """Return the chart, which shows well on a light and on a dark page."""
        top = _ceiling(max(max(line.values) for line in self.lines))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            ' font-family="sans-serif" font-size="12" role="img">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            _text(LEFT, 20, self.title, weight="bold"),
            _text(LEFT, TOP - 8, self.up),
            _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, self.across, anchor="middle"),
            *self._rules(top),
            *self._marks(),
            *(self._line(number, line, top) for number, line in enumerate(self.lines)),
            "</svg>",
        ]
        return "\n".join([*parts, ""])

    def _rules(self, top: float) -> list[str]:
        parts = []
        for step in range(STEPS + 1):
            value = top * step / STEPS
            height = _up(value, top)
            parts.append(
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"'
                ' stroke="#dddddd"/>'
            )
            parts.append(_text(LEFT - 8, height + 4, f"{value:,.6g}", anchor="end"))
        return parts

    def _marks(self) -> list[str]:
        base = HEIGHT - BOTTOM + 18
        return [
            _text(self._across(point), base, f"{point:,}", anchor="middle") for point in self.points
        ]

    def _line(self, number: int, line: Line, top: float) -> str:
        colour = COLOURS[number % len(COLOURS)]
        places = [
            (self._across(point), _up(value, top))
            for point, value in zip(self.points, line.values, strict=True)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
        legend = _text(LEFT + 180 * number, 38, f"● {line.name}")
        return (
            f'<g fill="{colour}"><polyline points="{path}" fill="none" stroke="{colour}"'
            f' stroke-width="2"/>{dots}{legend}</g>'
        )

    def _across(self, point: int) -> float:
        first, last = math.log10(self.points[0]), math.log10(self.points[-1])
        share = (math.log10(point) - first) / (last - first) if last > first else 0.5
        inset = 30  # so that the outermost marks have room
        return LEFT + inset + share * (WIDTH - LEFT - RIGHT - 2 * inset)


def _up(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _ceiling(value: float) -> float:
    """Return a round number that is not below `value`."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * factor for factor in _ROUND if unit * factor >= value)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
