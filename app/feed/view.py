"""The live feed: messages as they come, one a line.

    feed = FeedView()
    feed.add(rows)              # any number, at any time; drawn within a twentieth of a second
    feed.filter_text = "paid"   # see app.feed.filter for the language

Nothing is made for a row but the row itself: lines are drawn when they come into view, and
what was drawn is remembered. A timer takes what `add` left waiting, for at most 20 ms at a
time, so a flood or a backlog never keeps the screen from answering.
"""

import time
from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import ClassVar

from textual import events
from textual.actions import SkipAction
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive, reactive, var
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.feed.canvas import Canvas, Look
from app.feed.columns import WIDE
from app.feed.filter import Filter, FilterError, parse
from app.feed.gaze import Gaze
from app.feed.intake import Intake
from app.feed.keys import BINDINGS
from app.feed.page import Page
from app.feed.paint import HUES
from app.feed.pattern import LONGEST_TEXT
from app.feed.reading import Reading
from app.feed.ring import DEFAULT_CAPACITY, Ring
from app.feed.rows import MessageRow, Row
from app.feed.seek import seek
from app.feed.state import FeedState

FRAMES_PER_S = 20
WIDE_SCREEN = 96
SIDEWAYS_STEP = 8


class FeedView(ScrollView, can_focus=True):
    """See the module. Knows no client: the screen adds rows and hears what was read.

    Follows the newest row until it is held: by Space, by scrolling, or by moving the cursor
    up. Held, it keeps its place (`app.feed.page`). G, End and Escape follow again.
    """

    class Opened(Message):
        """Somebody wants to see this message in full."""

        def __init__(self, row: MessageRow) -> None:
            super().__init__()
            self.row = row

    class ReadUpTo(Message):
        """Everything up to these seqs, by topic, has been shown (`app.feed.reading`)."""

        def __init__(self, positions: dict[str, int]) -> None:
            super().__init__()
            self.positions = positions

    class HoldChanged(Message):
        """The feed is held now or no longer, or more has come while it is held."""

        def __init__(self, held: bool, new_count: int) -> None:
            super().__init__()
            self.held = held
            self.new_count = new_count

    class Changed(Message):
        """What the feed tells about itself is different now."""

        def __init__(self, state: "FeedState") -> None:
            super().__init__()
            self.state = state

    class FilterWanted(Message):
        """Somebody wants to type a filter."""

    BINDINGS: ClassVar[list[BindingType]] = BINDINGS
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"feed--topic-{hue}" for hue in range(HUES)),
        *("feed--heading", "feed--time", "feed--seq", "feed--publisher", "feed--text"),
        *("feed--unread", "feed--mark", "feed--match", "feed--divider", "feed--notice"),
        *("feed--cursor", "feed--cursor-blurred"),
    }

    # Its growing changes no other widget's place: laying out and drawing the whole screen for
    # each frame of a feed would cost more than the feed.
    virtual_size = Reactive(Size(0, 0), layout=False)

    filter_text: reactive[str] = reactive("", init=False)
    """What is typed in the filter. A wrong one changes nothing but `filter_error`."""
    topic: reactive[str | None] = reactive(None, init=False)
    """Show this topic only."""
    show_topic: reactive[bool] = reactive(False, init=False)
    ascii: reactive[bool] = reactive(False, init=False)
    """Draw marks and rules with characters that every terminal has."""
    sideways: reactive[int] = reactive(0, init=False)
    """How many cells of the texts are out of view on the left."""
    placeholder: reactive[str] = reactive("Nothing yet.", init=False)
    """What stands in an empty feed."""
    zone: reactive[tzinfo | None] = reactive(None, init=False)
    """In which times are shown; None is this computer's."""
    state: var[FeedState] = var(FeedState(), init=False)
    """Newest of what `Changed` tells; for `watch`."""

    def __init__(
        self,
        *,
        keep: int = DEFAULT_CAPACITY,
        show_topic: bool = False,
        ascii: bool = False,
        zone: tzinfo | None = None,
        clock: Callable[[], float] = time.monotonic,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Keep the newest `keep` rows. Times are shown in `zone`, or else this computer's."""
        super().__init__(id=id, classes=classes)
        self.set_reactive(FeedView.show_topic, show_topic)
        self.set_reactive(FeedView.ascii, ascii)
        self.set_reactive(FeedView.zone, zone)
        self._clock = clock
        self._ring = Ring(keep)
        self._page = Page(self._ring)
        self._reading = Reading(self._ring)
        self._gaze = Gaze()
        self._canvas = Canvas(self._ring, self._page, self._reading, self.get_component_rich_style)
        self._intake = Intake(self._ring, self._page.lines, self._reading, clock)
        self._find: Filter | None = None  # what n and N go to: the newest filter there was
        self._placing = False  # it is we who scroll, not the reader
        self._filter_error = ""

    # What the screen asks and says

    def add(self, rows: Iterable[Row]) -> None:
        """Put `rows` at the end, in this order. Cheap: they wait until the next frame.

        Any number may wait; `pending` tells how many, for who would rather read on later.
        """
        self._intake.add(rows)

    @property
    def pending(self) -> int:
        """How many rows wait to be taken in, or for the filter to look at them."""
        return self._intake.pending

    @property
    def held(self) -> bool:
        return self._page.held

    @property
    def new_count(self) -> int:
        """How many messages have come since the feed is held (with a filter: that match)."""
        return self._page.new_count

    @property
    def selected_row(self) -> Row | None:
        """The row that the cursor is on, if there is any."""
        return self._page.selected

    @property
    def place(self) -> tuple[int, int]:
        """Which of the messages on the page the cursor is on, counted from 1, and of how many."""
        lines = self._page.lines
        at = lines.number(self._page.cursor) + 1 if len(lines) else 0
        return lines.count_messages(0, at), lines.count_messages(0, self._ring.end)

    @property
    def matches(self) -> tuple[int, int]:
        """How many messages the filter lets through, and of how many."""
        lines = self._page.lines
        return lines.count_messages(0, self._ring.end), lines.count_unfiltered()

    @property
    def searched(self) -> int:
        """How many characters of each text the filter's regex searches, at most."""
        found = self._page.lines.filter
        return found.searched if found else LONGEST_TEXT

    @property
    def filter_error(self) -> str:
        """What is wrong with `filter_text`, in a sentence; empty if nothing is."""
        return self._filter_error

    @property
    def dropped(self) -> int:
        """How many of the oldest rows have left, because there were more than `keep`."""
        return self._ring.dropped

    @property
    def unseen(self) -> frozenset[str]:
        """Topics of which messages left before they were shown: `mark_read` gets on from there."""
        return self._reading.stuck

    def mark_read(self, topic: str | None = None) -> None:
        """Take everything that came, of one topic or of all, as read."""
        self._reading.mark_read(topic)
        self.refresh()
        self._tell_read()

    def restart(self, topic: str) -> None:
        """Take what is here of `topic` as read, without posting it, and forget its seqs.

        For a topic that begins anew: what comes next counts from its first message on.
        """
        self._reading.restart(topic)
        self.refresh()

    def messages(self) -> list[MessageRow]:
        """Return the messages that the topic and the filter let through, oldest first."""
        lines = self._page.lines
        rows = [self._ring.row(lines.number(line)) for line in range(len(lines))]
        return [row for row in rows if isinstance(row, MessageRow)]

    def go_to_unseen(self) -> bool:
        """Hold, with the cursor on the oldest message that has not been shown, if there is one."""
        lines = self._page.lines
        for number in map(lines.number, range(len(lines))):
            row = self._ring.row(number)
            if isinstance(row, MessageRow) and not self._reading.was_seen(number, row):
                self._page.hold()
                self._page.go_to_row(number)
                self._settle()
                return True
        return False

    def hold(self) -> None:
        """Keep what is on the screen where it is."""
        self._page.hold()
        self._settle()

    def follow(self) -> None:
        """Show the newest row, and each newer one as it comes."""
        self._gaze.turn_away()
        self._page.follow()
        self._settle()

    # From frame to frame

    def on_mount(self) -> None:
        self.watch_filter_text(self.filter_text)
        self.set_interval(1 / FRAMES_PER_S, self._frame)

    def _frame(self) -> None:
        self.drain()
        self._look()

    def drain(self) -> int:
        """Take in what waits, for a frame's share of time; return how many slices that took."""
        if slices := self._intake.take():
            self._settle()
        return slices

    def _settle(self) -> None:
        """Bring the screen in line with the page."""
        if not self.is_attached:
            return
        self._page.resize(self._room())
        self._page.settle()
        self.virtual_size = Size(self._width(), self._page.length + self._heading_height())
        self.vertical_scrollbar.window_virtual_size = self.virtual_size.height
        self._placing = True
        self.scroll_to(y=self._page.top, animate=False, force=True)
        self._placing = False
        self.refresh()
        self._tell()

    def _look(self) -> None:
        """Note what the reader sees, if there is one who looks."""
        if not (self.has_focus and self.screen.is_active):
            self._gaze.turn_away()
            return
        visible = self._page.visible()
        shown = self._gaze.look(visible, self._clock(), following=not self.held)
        self._show(shown)

    def _show(self, numbers: Iterable[int]) -> None:
        before = [number for number in numbers if not self._reading.was_shown(number)]
        if before:
            self._reading.show(before)
            self.refresh()
            self._tell_read()

    def _tell_read(self) -> None:
        if moved := self._reading.take_moved():
            self.post_message(self.ReadUpTo(moved))

    def _tell(self) -> None:
        """Post what is different from what was posted last."""
        before = self.state
        self.state = FeedState(
            self.held,
            self.new_count,
            self.place,
            self.matches,
            self.dropped,
            self.pending,
            self.searched,
            self.filter_error,
        )
        if before[:2] != self.state[:2]:
            self.post_message(self.HoldChanged(self.held, self.new_count))
        if before != self.state:
            self.post_message(self.Changed(self.state))

    # How it looks

    def render_line(self, y: int) -> Strip:
        self._canvas.use(self._look_of_lines())
        heading = self._heading_height()
        if y < heading:
            return self._canvas.heading()
        cursor = "feed--cursor" if self.has_focus else "feed--cursor-blurred"
        return self._canvas.draw(y - heading, cursor=cursor, empty=self._empty_words)

    def _look_of_lines(self) -> Look:
        return Look(
            self._width(),
            self._is_wide(),
            self.show_topic,
            self.ascii,
            len(str(self._intake.highest_seq)),
            self.sideways,
            self._page.lines.filter,
            self.zone,
        )

    def _empty_words(self) -> str:
        if self._page.lines.filter is None:
            return self.placeholder
        if self._page.lines.behind:
            return "Looking..."
        return f"No messages match {self.filter_text}. Esc clears."

    def _width(self) -> int:
        return self.scrollable_content_region.width

    def _is_wide(self) -> bool:
        return self.app.size.width >= WIDE_SCREEN and self._width() >= WIDE

    def _heading_height(self) -> int:
        return 1 if self._is_wide() else 0

    def _room(self) -> int:
        return max(1, self.scrollable_content_region.height - self._heading_height())

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._canvas.restyle()

    # What changes from outside

    def watch_filter_text(self, text: str) -> None:
        try:
            found = parse(text)
        except FilterError as error:
            self._filter_error = str(error)
            self._tell()
            return
        self._filter_error = ""
        self._use_filter(found)

    def watch_topic(self) -> None:
        self._use_filter(self._page.lines.filter)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        resized = self._room() != self._page.height
        if not self._placing and not resized:
            self._page.scroll(round(new_value))
            self._tell()

    def on_resize(self) -> None:
        self._settle()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def _use_filter(self, found: Filter | None) -> None:
        self._gaze.turn_away()
        self._find = found or self._find
        self._page.lines.use(self.topic, found or None)
        self.drain()
        self._settle()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points; a double click opens."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self._heading_height():
            return
        line = self._page.line_at(self._page.top + offset.y - self._heading_height())
        if line is not None:
            self._page.go_to(line)
            self._settle()
            if event.chain == 2:
                self.action_open()

    def on_mouse_scroll_left(self) -> None:
        self.action_slide(-1)

    def on_mouse_scroll_right(self) -> None:
        self.action_slide(1)

    # Keys

    def action_toggle_hold(self) -> None:
        if self.held:
            self.follow()
        else:
            self.hold()

    def action_want_filter(self) -> None:
        self.post_message(self.FilterWanted())

    def action_open(self) -> None:
        row = self.selected_row
        if isinstance(row, MessageRow):
            self._show([self._page.lines.number(self._page.cursor)])
            self.post_message(self.Opened(row))

    def action_move(self, by: int) -> None:
        self._page.move(by)
        self._settle()

    def action_move_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self._room() - 1))

    def action_oldest(self) -> None:
        self._page.go_to(0)
        self._settle()

    def action_newest(self) -> None:
        self.follow()

    def action_slide(self, direction: int) -> None:
        """Move the texts sideways, no further than the longest one in view."""
        self._canvas.use(self._look_of_lines())
        end = max(self.sideways, self._canvas.longest_sideways())
        self.sideways = max(0, min(end, self.sideways + direction * SIDEWAYS_STEP))

    def action_back(self) -> None:
        """Clear the filter, else follow again, else leave the key to the screen."""
        if self.filter_text:
            self.filter_text = ""
        elif self.held:
            self.follow()
        else:
            raise SkipAction

    async def action_match(self, direction: int) -> None:
        """Go to the next message that matches the filter, or the one there was before Escape."""
        if self._page.lines.filter is not None or self._find is None:
            self.action_move(direction)
            return
        if not len(self._page.lines):
            return
        at = self._page.lines.number(self._page.cursor)
        number = await seek(self._ring, self._find, at, direction)
        if number is not None:
            self._page.go_to_row(number)
            self._settle()
