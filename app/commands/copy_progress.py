"""How far a copy has come, on standard error: a bar on a terminal, else a line now and then."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from time import monotonic
from types import TracebackType

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from app.commands.ending import say
from broker.store.copier import Stage

EVERY_S = 5.0


class Told(AbstractContextManager["Told"]):
    """Counts what is done. In the end of the `with` nothing more is told."""

    def __init__(self) -> None:
        self.copied = 0  # messages, in this run

    def begin(self, stage: Stage, messages: int) -> None:
        self._stage = stage

    def advance(self, messages: int, size: int) -> None:
        if self._stage is Stage.COPYING:
            self.copied += messages

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


class Lines(Told):
    """A line every few seconds, for a log, and one when a stage is done."""

    def __init__(self, clock: Callable[[], float] = monotonic, every_s: float = EVERY_S) -> None:
        super().__init__()
        self._clock = clock
        self._every_s = every_s
        self._total = 0

    def begin(self, stage: Stage, messages: int) -> None:
        super().begin(stage, messages)
        self._total = messages
        self._done = self._size = 0
        self._began_at = self._told_at = self._clock()

    def advance(self, messages: int, size: int) -> None:
        super().advance(messages, size)
        self._done += messages
        self._size += size
        now = self._clock()
        if now - self._told_at >= self._every_s or self._done == self._total:
            self._told_at = now
            say(self._line(now - self._began_at))

    def _line(self, took_s: float) -> str:
        rate = self._done / took_s if took_s else 0.0
        left = f", {_clock_time((self._total - self._done) / rate)} left" if rate else ""
        return (
            f"{self._stage}: {self._done:,} of {self._total:,} messages, {decimal(self._size)},"
            f" {rate:,.0f} messages/s{left if self._done < self._total else ''}"
        )


class Bar(Told):
    """A bar for each stage that has messages."""

    def __init__(self) -> None:
        super().__init__()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            _Figures(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._bar: TaskID | None = None
        self._size = 0

    def __enter__(self) -> "Bar":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begin(self, stage: Stage, messages: int) -> None:
        super().begin(stage, messages)
        self._size = 0
        self._bar = self._bars.add_task(stage.value, total=messages) if messages else None

    def advance(self, messages: int, size: int) -> None:
        super().advance(messages, size)
        self._size += size
        if self._bar is not None:
            self._bars.update(self._bar, advance=messages, size=self._size)


class _Figures(TextColumn):
    """Messages, bytes and messages a second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        rate = task.completed / task.elapsed if task.elapsed else 0.0
        return Text(
            f"{int(task.completed):,} of {int(task.total or 0):,} messages"
            f"  {decimal(task.fields.get('size', 0))}  {rate:,.0f}/s"
        )


def told() -> Told:
    """Return what fits standard error."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return Bar() if is_terminal and os.environ.get("TERM", "dumb") != "dumb" else Lines()


def _clock_time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
