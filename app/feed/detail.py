"""One message in full: where it is from, and its text, pretty or raw, wrapped or not."""

from datetime import datetime, tzinfo
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from app.feed.body import Body, Piece, body_of, pieces
from app.feed.rows import MessageRow
from app.text import in_cells

LONGEST_COLOURED = 65_536  # characters of a line; longer ones are plain
LONGEST_NAME = 320
WIDEST_LINE = 10_000  # cells; longer lines are cut into pieces even when they are not wrapped


class BodyView(ScrollView, can_focus=True):
    """The lines of a body, each drawn when it comes into view."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "Up", show=False),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "End", show=False),
    ]

    wrap: reactive[bool] = reactive(True, init=False)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._body = Body(("",), False, False)
        self._pieces: list[Piece] = []
        self._pieces_width = 0
        self._strips: LRUCache[tuple[int, int], Strip] = LRUCache(512)
        self._coloured: LRUCache[int, Content] = LRUCache(128)  # whole lines

    def show(self, body: Body) -> None:
        """Show another body, from its beginning."""
        self._body = body
        self._lay_out()
        self.scroll_to(0, 0, animate=False, force=True)

    def watch_wrap(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        if self.wrap and self._pieces_width != self._width():
            self._lay_out()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width = self._width()
        style = self.rich_style
        if top + y >= len(self._pieces):
            return Strip.blank(width, style)
        number, start, end = self._pieces[top + y]
        if self.wrap:
            return self._line(number, start, end).crop_extend(0, width, style)
        return self._line(number, start, end).crop_extend(left, left + width, style)

    def _lay_out(self) -> None:
        self._strips.clear()
        self._coloured.clear()
        self._pieces_width = self._width()
        self._pieces = pieces(self._body, self._pieces_width if self.wrap else WIDEST_LINE)
        width = self._pieces_width if self.wrap else self._widest()
        self.virtual_size = Size(width, len(self._pieces))
        self.refresh()

    def _widest(self) -> int:
        """At least as wide as the widest line."""
        cells_each = [1 if line.isascii() else 2 for line in self._body.lines]
        widths = [cells_each[number] * (end - start) for number, start, end in self._pieces]
        return min(WIDEST_LINE, max(widths, default=0))

    def _line(self, number: int, start: int, end: int) -> Strip:
        strip = self._strips.get((number, start))
        if strip is None:
            strip = self._strips[number, start] = self._draw(number, start, end)
        return strip

    def _draw(self, number: int, start: int, end: int) -> Strip:
        line = self._body.lines[number]
        if not self._body.is_json or len(line) > LONGEST_COLOURED:
            return Strip([Segment(line[start:end], self.rich_style)])
        content = self._coloured.get(number)
        if content is None:
            from textual.highlight import highlight  # Pygments, which a screen opens without

            content = self._coloured[number] = highlight(line, language="json")
        return self._strip_of(content[start:end])

    def _strip_of(self, content: Content) -> Strip:
        parts = content.render(self.visual_style, "", self.app.stylesheet.parse_style)
        return Strip([Segment(text, look.rich_style) for text, look in parts if text])

    def _width(self) -> int:
        return max(1, self.scrollable_content_region.width)


class DetailView(Vertical):
    """A message with its header. `show` puts another one there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "toggle_pretty", "Raw/pretty", id="detail.pretty"),
        Binding("w", "toggle_wrap", "Wrap", id="detail.wrap"),
    ]

    pretty: reactive[bool] = reactive(True, init=False)
    wrap: reactive[bool] = reactive(True, init=False)
    zone: reactive[tzinfo | None] = reactive(None, init=False)
    """In which times are shown; None is this computer's."""

    def __init__(
        self, *, zone: tzinfo | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        """Show times in `zone`, or else this computer's."""
        super().__init__(id=id, classes=classes)
        self.set_reactive(DetailView.zone, zone)
        self._row: MessageRow | None = None
        self._received_at: datetime | None = None
        self._body = Body(("",), False, False)

    def compose(self) -> ComposeResult:
        yield Static(classes="detail--header", markup=False)
        yield BodyView()

    def on_mount(self) -> None:
        self._show()

    def show(self, row: MessageRow, received_at: datetime | None = None) -> None:
        """Show this message, from its beginning; `received_at` if that is known."""
        self._row, self._received_at = row, received_at
        if self.is_mounted:
            self._show()

    @property
    def row(self) -> MessageRow | None:
        """The message that is shown."""
        return self._row

    def focus_body(self) -> None:
        """Put the keyboard on the text."""
        self.query_one(BodyView).focus()

    def watch_pretty(self) -> None:
        self._show()

    def watch_wrap(self, wrap: bool) -> None:
        self.query_one(BodyView).wrap = wrap
        self._show_header()

    def watch_zone(self) -> None:
        self._show_header()

    def action_toggle_pretty(self) -> None:
        self.pretty = not self.pretty

    def action_toggle_wrap(self) -> None:
        self.wrap = not self.wrap

    def _show(self) -> None:
        if self._row is None:
            return
        self._body = body_of(self._row.text, pretty=self.pretty)
        self.query_one(BodyView).show(self._body)
        self._show_header()

    def _show_header(self) -> None:
        if self._row is None:
            return
        facts = _facts(self._row, self._received_at, self.zone)
        parts: list[str | tuple[str, str]] = []
        for name, value in [*facts, ("shown", _how(self._body, wrap=self.wrap))]:
            parts += [(f"{name:<10}", "$text-muted"), f"{value}\n"]
        self.query_one(".detail--header", Static).update(Content.assemble(*parts).rstrip())


def _facts(
    row: MessageRow, received_at: datetime | None, zone: tzinfo | None
) -> list[tuple[str, str]]:
    size = len(row.text.encode(errors="surrogatepass"))
    received = [("received", _moment(received_at, zone))] if received_at else []
    return [
        ("topic", in_cells(row.topic[:LONGEST_NAME])),
        ("seq", f"{row.seq:,}"),
        ("from", in_cells(row.publisher[:LONGEST_NAME])),
        ("published", _moment(row.published_at, zone)),
        *received,
        ("size", f"{size:,} B"),
    ]


def _how(body: Body, *, wrap: bool) -> str:
    """How the text is shown, and which key shows it otherwise."""
    kind = "text"
    if body.is_json:
        kind = "pretty JSON, x raw" if body.is_pretty else "raw JSON, x pretty"
    words = [kind, "wrapped, w does not" if wrap else "not wrapped, w wraps"]
    return "; ".join([*words, body.note] if body.note else words)


def _moment(moment: datetime, zone: tzinfo | None) -> str:
    try:
        return moment.astimezone(zone).isoformat(" ", "milliseconds")
    except (OverflowError, ValueError):  # at the ends of the calendar
        return moment.isoformat(" ")
