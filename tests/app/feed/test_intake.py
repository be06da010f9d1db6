"""Rows on their way into the feed."""

from itertools import count

from app.feed.filter import parse
from app.feed.intake import BUDGET_S, SLICE_ROWS, Intake
from app.feed.lines import Lines
from app.feed.reading import Reading
from app.feed.ring import Ring
from tests.app.feed.host import Clock, row, rows


class Line:
    """An intake whose clock goes on by `step_s` each time somebody asks it."""

    def __init__(self, step_s: float = 0.0) -> None:
        ticks = count()
        self.ring = Ring(50_000)
        self.lines = Lines(self.ring)
        self.reading = Reading(self.ring)
        self.intake = Intake(self.ring, self.lines, self.reading, lambda: next(ticks) * step_s)


def test_a_hundred_thousand_rows_are_taken_in_a_slice_a_frame_if_each_takes_long() -> None:
    line = Line(step_s=2 * BUDGET_S)
    line.intake.add([row(1)] * 100_000)
    assert (line.intake.pending, line.ring.end) == (100_000, 0)
    frames = 0
    while line.intake.pending:
        taken = line.ring.end
        assert line.intake.take() == 1
        assert line.ring.end - taken <= SLICE_ROWS
        frames += 1
    assert (frames, line.ring.end) == (50, 100_000)


def test_all_that_waits_is_taken_in_while_there_is_time() -> None:
    line = Line()
    line.intake.add(rows(1, 5000))
    line.intake.add(iter(rows(5001, 5010)))
    assert line.intake.take() == 3
    assert (line.intake.pending, line.intake.take(), line.intake.highest_seq) == (0, 0, 5010)
    assert line.ring.rows(0, 6000) == rows(1, 5010)


def test_a_slow_filter_stops_in_the_middle_of_a_slice_and_goes_on_later() -> None:
    line = Line(step_s=BUDGET_S / 10)
    line.lines.use(None, parse("order"))
    line.intake.add(rows(1, 100))
    frames = 0
    while line.intake.pending:
        before = line.lines.behind or 100
        line.intake.take()
        assert before - line.lines.behind <= 12
        frames += 1
    assert frames > 8
    assert len(line.lines) == 100


def test_a_clock_that_stands_still_hurts_nothing() -> None:
    line = Line()
    clock = Clock()
    intake = Intake(line.ring, line.lines, line.reading, clock)
    intake.add(rows(1, 10))
    assert intake.take() == 1
