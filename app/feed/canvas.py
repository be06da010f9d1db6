"""The lines of a feed's page, drawn when they are asked for and remembered."""

from collections.abc import Callable
from datetime import tzinfo
from typing import NamedTuple

from textual.cache import LRUCache
from textual.strip import Strip

from app.feed.columns import columns_for
from app.feed.filter import Filter
from app.feed.page import Page
from app.feed.paint import ASCII, UNICODE, Painter, StyleOf
from app.feed.reading import Reading
from app.feed.ring import Ring
from app.feed.rows import MessageRow

REMEMBERED = 1024


class Look(NamedTuple):
    """All that every line's look depends on, besides the style sheet."""

    width: int
    wide: bool = False
    show_topic: bool = False
    ascii: bool = False
    seq_digits: int = 1
    sideways: int = 0
    filter: Filter | None = None
    zone: tzinfo | None = None  # None is this computer's


class Canvas:
    """`draw` is cheap for a line that looks as it did when it was drawn last."""

    def __init__(self, ring: Ring, page: Page, reading: Reading, style: StyleOf) -> None:
        self._ring = ring
        self._page = page
        self._reading = reading
        self._style = style
        self._look: Look | None = None
        self._painter: Painter
        self._strips: LRUCache[tuple[int, bool, str], Strip] = LRUCache(REMEMBERED)

    def use(self, look: Look) -> None:
        """Draw with this look from now on."""
        if look != self._look:
            self._look = look
            self._painter = self._make_painter(look)
            self._strips.clear()

    def restyle(self) -> None:
        """Forget what was drawn: the style sheet says something else now."""
        self._strips.clear()

    def heading(self) -> Strip:
        return self._painter.heading()

    def draw(self, y: int, *, cursor: str, empty: Callable[[], str]) -> Strip:
        """Draw what is `y` lines below the top of the page.

        `cursor` names the look of the cursor's line; `empty` says why there are no messages.
        """
        place = self._page.top + y
        line = self._page.line_at(place)
        if line is not None:
            return self._row(line, cursor if line == self._page.cursor else "")
        if place == 0 and self._page.notice:
            return self._painter.divider(f"{self._ring.dropped:,} older rows have left this view")
        if y == self._page.height // 3 and not self._page.lines.count_messages(0, self._ring.end):
            return self._painter.notice(empty())
        return self._painter.blank()

    def longest_sideways(self) -> int:
        """How far the lines on the screen can be moved until the last has shown its end."""
        rows = [self._ring.row(number) for number in self._page.visible()]
        return self._painter.longest_sideways(rows)

    def _row(self, line: int, cursor: str) -> Strip:
        number = self._page.lines.number(line)
        row = self._ring.row(number)
        unread = isinstance(row, MessageRow) and self._reading.is_unread(number, row)
        key = (number, unread, cursor)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self._painter.row(row, unread=unread, cursor=cursor)
        return strip

    def _make_painter(self, look: Look) -> Painter:
        columns = columns_for(
            look.width, wide=look.wide, show_topic=look.show_topic, seq_digits=look.seq_digits
        )
        glyphs = ASCII if look.ascii else UNICODE
        return Painter(columns, glyphs, self._style, look.zone, look.sideways, look.filter)
