"""The curves: what a chart shows, and that a curve is measured from filling to drawing."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.growth.__main__ import main
from bench.growth.curves import CURVES, InTurn
from bench.growth.svg import Chart, Line, _ceiling

NAMESPACE = "{http://www.w3.org/2000/svg}"


def chart(*lines: Line, points: tuple[int, ...] = (1, 10, 100)) -> Chart:
    return Chart("a < b & c", "topics", "ms", points, lines)


def dots(drawn: Chart) -> list[tuple[float, float]]:
    tree = ET.fromstring(drawn.svg())
    circles = tree.iter(f"{NAMESPACE}circle")
    return [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in circles]


def test_a_line_has_a_dot_at_each_point_and_equal_factors_are_equally_far() -> None:
    (x1, y1), (x2, y2), (x3, y3) = dots(chart(Line("broker", [0, 5, 10])))
    assert x2 - x1 == pytest.approx(x3 - x2)
    assert y1 - y2 == pytest.approx(y2 - y3)
    assert y3 < y1  # more is further up


def test_every_line_stays_within_the_chart_and_text_is_no_markup() -> None:
    lines = [Line("one", [3.0, 0.1, 7.0]), Line("two", [0.0, 0.0, 0.0])]
    assert len(dots(chart(*lines))) == 6
    assert all(0 < x < 640 and 0 < y < 360 for x, y in dots(chart(*lines)))
    assert "a &lt; b &amp; c" in chart(*lines).svg()


def test_the_top_of_the_axis_is_round_and_not_below_the_largest() -> None:
    tops = {value: _ceiling(value) for value in (0, 0.07, 1, 1.2, 8.1, 960)}
    assert tops == {0: 1, 0.07: 0.075, 1: 1, 1.2: 1.5, 8.1: 10, 960: 1000}


@pytest.mark.parametrize("version", [1, 2])
def test_messages_go_to_the_topics_in_turn(version: int) -> None:
    lines = bytes(InTurn(version, 3).lines("T", 0, 7).between(0, 7)).splitlines()
    places = [line.split(b'"topic_name":"T-')[1][:6] for line in lines]
    assert places == [b"%06d" % (number % 3) for number in range(7)]
    assert [b'"id"' in line for line in lines] == [version == 2] * 7


def test_each_curve_has_a_name_of_its_own_and_rises() -> None:
    assert len({curve.name for curve in CURVES}) == len(CURVES)
    assert all([*curve.points] == sorted(curve.points) for curve in CURVES)


@pytest.mark.slow
def test_a_curve_is_measured_and_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "charts"
    arguments = [str(folder), "backlog", "--messages", "50", "--largest", "1", "--dir"]
    assert main([*arguments, str(tmp_path)]) == 0
    page = (folder / "growth.md").read_text()
    assert "![Publishing while 100 subscribers have a backlog](growth-backlog.svg)" in page
    assert "| 1,000 |" in page
    assert ET.parse(folder / "growth-backlog.svg").getroot().tag == f"{NAMESPACE}svg"
    assert [one.name for one in tmp_path.iterdir()] == ["charts"]
