"""What part of the feed is on the screen, and where the cursor is.

A page *follows* (the newest line is at the bottom, with the cursor on it) or is *held*: then
the line under the reader's eye stays where it is while newer rows come in below, older ones
leave above and filters come and go, until its row itself leaves the ring.

Places on the screen count the notice too: one line above the oldest row, which tells how many
older ones have left. Lines do not.
"""

from app.feed.lines import Lines
from app.feed.ring import Ring
from app.feed.rows import Row


class Page:
    """Call `settle` after anything changed; then `top`, `cursor` and `length` are right."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self.lines = Lines(ring)
        self.height = 1  # how many lines the screen has room for
        self.top = 0  # the place that is uppermost on the screen
        self.held = False
        self._held_at = 0  # rows from this number on have come since
        self._cursor = 0  # the number of its row, which may be hidden or gone by now
        self._pin = (0, 0)  # the row that must not move, and how far below `top` it is

    @property
    def notice(self) -> int:
        """1 if there is a notice above the oldest row, else 0."""
        return 1 if self._ring.dropped else 0

    @property
    def length(self) -> int:
        """How many places there are."""
        return self.notice + len(self.lines)

    @property
    def cursor(self) -> int:
        """The line that the cursor is on; 0 when there is none."""
        return self.lines.line(self._cursor)

    @property
    def selected(self) -> Row | None:
        """The row that the cursor is on."""
        return self._ring.row(self.lines.number(self.cursor)) if len(self.lines) else None

    @property
    def new_count(self) -> int:
        """How many messages have come below since the page is held."""
        return self.lines.count_messages(self._held_at, self._ring.end) if self.held else 0

    def visible(self) -> list[int]:
        """The numbers of the rows on the screen, from top to bottom."""
        top = max(0, self.top - self.notice)
        bottom = min(len(self.lines), self.top + self.height - self.notice)
        return [self.lines.number(line) for line in range(top, bottom)]

    def line_at(self, place: int) -> int | None:
        """The line at a place; None for the notice and below the last line."""
        line = place - self.notice
        return line if 0 <= line < len(self.lines) else None

    def settle(self) -> None:
        """Find the page's place among lines that have come and gone."""
        self.lines.forget()
        if self.held:
            number, offset = self._pin
            left = number < self._ring.first  # then the top is where the notice says so
            place = self.notice + self.lines.line(number)
            self.top = 0 if left else self._within(place - min(offset, self.height - 1))
        else:
            self._cursor = self.lines.number(len(self.lines) - 1) if len(self.lines) else 0
            self.top = self._within(self.length)

    def hold(self) -> None:
        """Keep what is on the screen where it is."""
        if not self.held:
            self.held = True
            self._held_at = self._ring.end
            self._pin_it()

    def follow(self) -> None:
        """Go to the newest line and stay there."""
        self.held = False
        self.settle()

    def move(self, by: int) -> None:
        """Move the cursor by so many lines, from where it is or was last seen."""
        lowest = self.top - self.notice + self.height - 1
        seen = max(self.top - self.notice, min(self.cursor, lowest))
        self.go_to(seen + by)

    def go_to(self, line: int) -> None:
        """Put the cursor on this line, or the nearest there is, and hold.

        A page that follows goes on doing so if the line is the newest, where its cursor is.
        """
        last = len(self.lines) - 1
        line = max(0, min(line, last))
        if last < 0 or (line == last and not self.held):
            return
        self.hold()
        self._cursor = self.lines.number(line)
        place = self.notice + line if line else 0  # the oldest row shows the notice too
        self.top = self._within(max(place - self.height + 1, min(place, self.top)))
        self._pin_it()

    def go_to_row(self, number: int) -> None:
        """Put the cursor on this row, or the nearest after it that has a line."""
        self.go_to(self.lines.line(number))

    def scroll(self, top: int) -> None:
        """Take this place to the top of the screen, and hold."""
        if top != self.top:
            self.hold()
            self.top = self._within(top)
            self._pin_it()

    def resize(self, height: int) -> None:
        """Make room for so many lines; the caller settles."""
        self.height = max(1, height)

    def _within(self, top: int) -> int:
        return max(0, min(top, self.length - self.height))

    def _pin_it(self) -> None:
        """Hold on to the cursor's row if it is on the screen, else to the uppermost row."""
        if not len(self.lines):
            self._pin = (self._ring.end, 0)
            return
        cursor = self.notice + self.cursor
        seen = self.top <= cursor < self.top + self.height
        place = cursor if seen else max(self.top, self.notice)
        self._pin = (self.lines.number(place - self.notice), place - self.top)
