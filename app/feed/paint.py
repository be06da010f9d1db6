"""Draw one row of a feed as one line of exactly its width.

All that strangers wrote goes through `in_cells` here and nowhere is it read as markup, so a
line holds no control character and every column stands where its heading does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zlib import crc32

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from app.feed.columns import Columns
from app.feed.filter import Filter
from app.feed.rows import DividerRow, MessageRow, Row
from app.text import in_cells

LONGEST_LINE = 4096  # characters of a text that can be scrolled to; the detail view has the rest
HUES = 6  # how many colours topics share

StyleOf = Callable[..., Style]


@dataclass(frozen=True, slots=True)
class Glyphs:
    unread: str = "┃"
    cursor: str = "▌"
    more: str = "…"
    rule: str = "─"


UNICODE, ASCII = Glyphs(), Glyphs("|", ">", "~", "-")


@dataclass(frozen=True, slots=True)
class Painter:
    """How rows look at the moment. Make another when a column, a style or the filter changes.

    `style(part)` is the look of a part of an ordinary row, `style(part, cursor)` on the cursor.
    """

    columns: Columns
    glyphs: Glyphs
    style: StyleOf
    zone: tzinfo | None = None  # None is this computer's
    sideways: int = 0
    filter: Filter | None = None

    @property
    def width(self) -> int:
        return self.columns.fixed + self.columns.text

    def row(self, row: Row, *, unread: bool = False, cursor: str = "") -> Strip:
        """Draw a row; `cursor` names its look if the cursor is on it."""
        if isinstance(row, DividerRow):
            return self.divider(row.text, cursor)
        segments = [*self._mark(unread, cursor), *self._head(row, cursor)]
        return Strip([*segments, *self._text(row.text, cursor)], self.width)

    def divider(self, text: str, cursor: str = "") -> Strip:
        """Draw words on a rule across the whole feed."""
        rule = self.glyphs.rule
        words = in_cells(text[:LONGEST_LINE])
        line = f" {rule * 2} {self._cut(words, max(1, self.width - 6)).rstrip()} "
        line += rule * (self.width - cell_len(line) - 1)
        style = self._look("feed--divider", cursor)
        return Strip([Segment(set_cell_size(line, self.width), style)], self.width)

    def heading(self) -> Strip:
        """Draw the names of the columns."""
        names = [
            ("time", self.columns.time, "<"),
            ("seq", self.columns.seq, ">"),
            ("topic", self.columns.topic, "<"),
            ("from", self.columns.publisher, "<"),
        ]
        line = " " * self.columns.mark
        line += "".join(f"{name:{side}{width}} " for name, width, side in names if width)
        return Strip(
            [Segment(set_cell_size(f"{line}message", self.width), self.style("feed--heading"))],
            self.width,
        )

    def blank(self) -> Strip:
        """Draw nothing."""
        return Strip.blank(self.width, self.style("feed--text"))

    def notice(self, text: str) -> Strip:
        """Draw words in the middle of a line of its own."""
        words = self._cut(in_cells(text), self.width).rstrip()
        left = (self.width - cell_len(words)) // 2
        line = set_cell_size(" " * left + words, self.width)
        return Strip([Segment(line, self.style("feed--notice"))], self.width)

    def longest_sideways(self, rows: list[Row]) -> int:
        """How far these rows can be moved sideways until the last has shown its end."""
        widths = [cell_len(self._line(row.text)) for row in rows if isinstance(row, MessageRow)]
        return max(0, max(widths, default=0) - self.columns.text)

    def _mark(self, unread: bool, cursor: str) -> list[Segment]:
        bar = self.glyphs.unread if unread else " "
        place = self.glyphs.cursor if cursor else " "
        return [
            Segment(bar, self._look("feed--unread", cursor)),
            Segment(set_cell_size(place, self.columns.mark - 1), self._look("feed--mark", cursor)),
        ]

    def _head(self, row: MessageRow, cursor: str) -> list[Segment]:
        columns = self.columns
        topic = f"feed--topic-{crc32(row.topic.encode(errors='replace')) % HUES}"
        parts = [
            ("feed--time", columns.time, _clock(row.published_at, self.zone)),
            ("feed--seq", columns.seq, f"{row.seq:>{columns.seq}}"),
            (topic, columns.topic, in_cells(row.topic[:LONGEST_LINE])),
            ("feed--publisher", columns.publisher, self._publisher(row.publisher)),
        ]
        return [
            Segment(self._cut(text, width) + " ", self._look(part, cursor))
            for part, width, text in parts
            if width
        ]

    def _publisher(self, email: str) -> str:
        """Leave out the domain if the rest fits without it, and show that it is left out."""
        shown = in_cells(email[:LONGEST_LINE])
        name, at, _ = shown.partition("@")
        short = f"{name}@{self.glyphs.more}"
        room = self.columns.publisher
        return short if at and cell_len(shown) > room >= cell_len(short) else shown

    def _line(self, text: str) -> str:
        line = in_cells(text[:LONGEST_LINE])
        return line if len(text) <= LONGEST_LINE else f"{line} {self.glyphs.more}"

    def _text(self, text: str, cursor: str) -> list[Segment]:
        """The part of the text that `sideways` leaves in view, with a sign where it goes on."""
        style, room = self._look("feed--text", cursor), self.columns.text
        more = Segment(self.glyphs.more, style)
        strip = self._marked(self._line(text), style)
        start, end = self.sideways, self.sideways + room
        before = start > 0 and strip.cell_length > 0 and room > 2
        after = strip.cell_length > end and room > 2
        shown = strip.crop(start + before, end - after)
        shown = shown.adjust_cell_length(room - before - after, style)
        return [more] * before + [*shown] + [more] * after

    def _marked(self, line: str, style: Style) -> Strip:
        segments: list[Segment] = []
        at = 0
        match = style + self.style("feed--match", partial=True)
        for start, end in self.filter.spans(line) if self.filter else []:
            segments += [Segment(line[at:start], style), Segment(line[start:end], match)]
            at = end
        segments.append(Segment(line[at:], style))
        return Strip([segment for segment in segments if segment.text])

    def _look(self, part: str, cursor: str) -> Style:
        return self.style(part, cursor) if cursor else self.style(part)

    def _cut(self, text: str, width: int) -> str:
        """Fill or cut `text` to `width` cells; a sign shows that something is cut off."""
        if cell_len(text) <= width:
            return set_cell_size(text, width)
        more = self.glyphs.more
        return set_cell_size(text, max(0, width - 1)) + more if width > 1 else more[:width]


def _clock(moment: datetime, zone: tzinfo | None) -> str:
    try:
        return moment.astimezone(zone).strftime("%H:%M:%S")
    except (OverflowError, ValueError):  # at the ends of the calendar
        return "--:--:--"
