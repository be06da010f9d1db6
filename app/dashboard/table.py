"""A pane with a table of figures: sorted, filtered, and steady under the cursor."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import DataTable, Input, Static

from app.dashboard.figures import cell
from app.dashboard.filter_box import FilterBox
from app.screens.symbols import Symbols
from app.text import harmless

ROWS = 200
GAP_CELLS = 1  # before a column with a width
EDGE_CELLS = 3  # left and right of the table, and its scroll bar
NAME_CELLS = 16  # the least for a name before extra columns are left out

Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column. One without a width takes the room that the others leave."""

    title: str
    text: Callable[[Row], str]
    width: int = 0
    sort: Callable[[Row], Any] | None = None  # numbers sort downwards, and to the right
    extra: bool = False  # left out where there is little room


class _Table(DataTable[Text]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Inspect", id="table.inspect", key_display="Enter"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "scroll_top", "First", show=False),
        Binding("G", "scroll_bottom", "Last", show=False),
    ]


class FiguresTable(Vertical, Generic[Row]):
    """Shows at most `ROWS` rows. The cursor stays on what it is on, wherever that goes.

    The table's own rows are places: what stands in them changes, cell by cell, so that
    nothing is added or taken away while things overtake each other.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort", id="table.sort"),
        Binding("slash", "filter", "Filter", id="table.filter"),
        Binding("escape", "clear_filter", "Clear filter", show=False, id="table.clear"),
    ]

    class Chosen(Message):
        """Enter was pressed on the row that `key` is of."""

        def __init__(self, table: "FiguresTable[Any]", key: Hashable) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "FiguresTable[Any]":
            return self.table

    def __init__(
        self,
        title: str,
        columns: Sequence[Column[Row]],
        key: Callable[[Row], Hashable],
        *,
        sort: str,
        nothing: str,
        symbols: Symbols,
        id: str,
    ) -> None:
        super().__init__(id=id, classes="pane")
        self._title = title
        self._all_columns = columns
        self._columns = columns  # those that are shown
        self._key = key
        self._nothing = nothing
        self._symbols = symbols
        self._sorts = [column for column in columns if column.sort is not None]
        self._sort = next(column for column in self._sorts if column.title == sort)
        self._rows: Sequence[Row] = ()
        self._shown: list[Row] = []
        self._cells: list[list[str]] = []  # what stands in the table
        self._all = 0
        self._widths: list[int] = []

    def compose(self) -> ComposeResult:
        yield FilterBox(self._title.lower())
        yield Static(self._nothing, classes="nothing", markup=False)
        yield _Table(cursor_type="row", cell_padding=0)

    def on_mount(self) -> None:
        self._tell()

    # what the screen says and asks

    def show(self, rows: Sequence[Row], count: int) -> None:
        """Show `rows`, which are the busiest of `count`."""
        self._rows, self._all = rows, count
        self._update()

    def focus_table(self) -> None:
        self.screen.set_focus(self._table)  # at once: the next key is meant for it

    # what a person does

    def action_sort(self) -> None:
        place = self._sorts.index(self._sort)
        self._sort = self._sorts[(place + 1) % len(self._sorts)]
        self._update()

    def action_filter(self) -> None:
        self.query_one(FilterBox).open()

    def action_clear_filter(self) -> None:
        self.query_one(FilterBox).shut()
        self.focus_table()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self._update()

    @on(Input.Submitted)
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_table()

    @on(DataTable.RowSelected)
    def _choose(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.cursor_row < len(self._shown):
            self.post_message(self.Chosen(self, self._key(self._shown[event.cursor_row])))

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self._measure)

    # drawing

    @property
    def _table(self) -> _Table:
        return self.query_one(_Table)

    @property
    def _wanted(self) -> str:
        return self.query_one(Input).value

    def _measure(self) -> None:
        """Give the column without a width the room that is left."""
        columns = list(self._all_columns)
        room = self._room_beside(columns)
        if room < NAME_CELLS:
            columns = [column for column in columns if not column.extra]
            room = self._room_beside(columns)
        widths = [column.width + GAP_CELLS if column.width else max(room, 8) for column in columns]
        if widths != self._widths:
            self._columns, self._widths = columns, widths
            self._table.clear(columns=True)
            self._cells = []
            for column, width in zip(self._columns, widths, strict=True):
                title = self._drawn(column, column.title, width)
                self._table.add_column(title, width=width, key=column.title)
            self._update()

    def _room_beside(self, columns: Sequence[Column[Row]]) -> int:
        """Return how many cells are left for the column without a width."""
        taken = sum(column.width + GAP_CELLS for column in columns if column.width)
        return self.scrollable_content_region.width - EDGE_CELLS - taken

    def _update(self) -> None:
        if not self._widths:
            return  # there is no room yet
        table, place = self._table, self._table.cursor_row
        under = self._key(self._shown[place]) if 0 <= place < len(self._shown) else None
        self._shown = self._sorted()
        self._fit(len(self._shown))
        for place, row in enumerate(self._shown):
            self._write(place, [column.text(row) for column in self._columns])
            if under is not None and self._key(row) == under and place != table.cursor_row:
                table.move_cursor(row=place, animate=False)
        self._tell()

    def _sorted(self) -> list[Row]:
        wanted = self._wanted.casefold()
        name, sort = self._columns[0].text, self._sort.sort
        assert sort is not None
        rows = [row for row in self._rows if wanted in name(row).casefold()]
        rows.sort(key=name)
        rows.sort(key=sort, reverse=bool(self._sort.width))
        return rows[:ROWS]

    def _fit(self, count: int) -> None:
        """Have `count` rows in the table."""
        table = self._table
        if len(self._cells) - count > 8:  # taking rows away one by one costs too much
            table.clear()
            self._cells = []
        while len(self._cells) > count:
            self._cells.pop()
            table.remove_row(str(len(self._cells)))
        while len(self._cells) < count:
            table.add_row(*(Text() for _ in self._columns), key=str(len(self._cells)))
            self._cells.append([""] * len(self._columns))

    def _write(self, place: int, texts: list[str]) -> None:
        """Put `texts` into a row, where they are not what stands there."""
        for number, column in enumerate(self._columns):
            if self._cells[place][number] != texts[number]:
                self._cells[place][number] = texts[number]
                shown = self._drawn(column, texts[number], self._widths[number])
                self._table.update_cell(str(place), column.title, shown)

    def _drawn(self, column: Column[Row], text: str, width: int) -> Text:
        return cell(text, width, self._symbols.cut, right=bool(column.width))

    def _tell(self) -> None:
        self.border_title = Content(f"{self._title}  sort: {self._sort.title} {self._symbols.down}")
        parts = [f"/{harmless(self._wanted)}"] if self._wanted else []
        if len(self._shown) < self._all:
            parts.append(f"{len(self._shown):,} of {self._all:,}")
        self.border_subtitle = Content("  ".join(parts))
        empty = self.query_one(".nothing", Static)
        empty.display = not self._shown
        self._table.show_header = bool(self._shown)
        filtered = self._rows and not self._shown
        empty.update(Content("Nothing matches. Esc clears." if filtered else self._nothing))
