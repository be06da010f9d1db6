"""The log, kept in memory for the screen, and the pane that shows it."""

import logging
import time
from collections import deque
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Log

from app.dashboard.filter_box import FilterBox
from app.text import harmless

LINES = 1_000


class LogKeeper(logging.Handler):
    """Keeps the newest lines, harmless ones; `count` is of all there were. Any thread may log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=LINES)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        first, *others = self.format(record).splitlines() or [""]
        self.keep(f"{clock} {record.levelname:<7} {first}")
        for line in others:  # of a traceback
            self.keep(f"         {line}")

    def keep(self, line: str) -> None:
        self.lines.append(harmless(line))
        self.count += 1


class LogPane(Vertical):
    """The newest lines at the bottom; `/` leaves those that hold what is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="log.filter"),
        Binding("escape", "clear_filter", "Clear filter", show=False, id="log.clear"),
    ]

    def __init__(self, keeper: LogKeeper) -> None:
        super().__init__(id="log", classes="pane")
        self.border_title = "Log"
        self._keeper = keeper
        self._shown = 0  # of all lines there were

    def compose(self) -> ComposeResult:
        yield FilterBox("the log")
        yield Log(max_lines=LINES, id="log-lines")

    def look(self) -> None:
        """Show what has been logged since the last look."""
        new = self._keeper.count - self._shown
        if new > 0:
            self._shown += new
            self._write([*self._keeper.lines][-new:])

    def action_filter(self) -> None:
        self.query_one(FilterBox).open()

    def action_clear_filter(self) -> None:
        self.query_one(FilterBox).shut()
        self.query_one(Log).focus()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self.border_subtitle = Content(f"/{harmless(event.value)}" if event.value else "")
        self.query_one(Log).clear()
        self._shown = self._keeper.count
        self._write([*self._keeper.lines])

    @on(Input.Submitted)
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(Log).focus()

    def _write(self, lines: list[str]) -> None:
        wanted = self.query_one(Input).value.casefold()
        self.query_one(Log).write_lines([line for line in lines if wanted in line.casefold()])
