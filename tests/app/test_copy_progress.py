"""How far a copy has come, told line by line."""

import pytest

from app.commands.copy_progress import Lines
from broker.store.copier import Stage


class Clock:
    """A clock that the test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_line_comes_every_few_seconds_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(clock, every_s=5)
    lines.begin(Stage.COPYING, 1_000_000)
    for _ in range(10):
        clock.now_s += 1
        lines.advance(100_000, 2_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "pubsub: copying: 500,000 of 1,000,000 messages, 10.0 MB, 100,000 messages/s, 0:00:05 left",
        "pubsub: copying: 1,000,000 of 1,000,000 messages, 20.0 MB, 100,000 messages/s",
    ]
    assert lines.copied == 1_000_000


def test_a_stage_begins_anew_and_only_what_is_copied_counts_as_that(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(clock, every_s=5)
    lines.begin(Stage.CHECKING, 0)
    lines.begin(Stage.COPYING, 5)
    lines.advance(5, 50)  # in no time at all
    lines.begin(Stage.COMPARING, 5)
    clock.now_s += 2
    lines.advance(5, 50)
    assert capsys.readouterr().err.splitlines() == [
        "pubsub: copying: 5 of 5 messages, 50 bytes, 0 messages/s",
        "pubsub: comparing both sides: 5 of 5 messages, 50 bytes, 2 messages/s",
    ]
    assert lines.copied == 5
