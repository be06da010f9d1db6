"""How a row of the Sent pane is drawn: its columns, as texts with the names of their styles."""

from rich.cells import cell_len, set_cell_size

from app.publisher.sent import Mark, Row
from app.publisher.sizes import in_words
from app.screens.symbols import Symbols
from app.text import harmless

LATE_S = 5.0  # without an answer, from then on the age is shown
WIDE = 90  # cells, from then on all columns are there

Part = tuple[str, str]  # text, and the style: muted, waiting, late, stored, failed or ""

_COLUMNS = (
    ("", 4),
    ("time", 9),
    ("topic", 15),
    ("seq", 10),
    ("size", 10),
    ("took", 8),
    ("got it", 8),
    ("message", 0),
)
_NARROW = (("", 4), ("topic", 15), ("message", 0))


def header(width: int) -> str:
    columns = _COLUMNS if width >= WIDE else _NARROW
    return " " + "".join(name.ljust(room) for name, room in columns)


def drawn(row: Row, width: int, now: float, symbols: Symbols) -> list[Part]:
    """Return `row` in exactly `width` cells, all of it harmless to a terminal."""
    late = row.waits_s(now) >= LATE_S and not row.of_file
    style = "late" if late else _STYLES[row.mark]
    parts = [(" ", ""), (_fit(_mark(row.mark, symbols), 4), style)]
    if width >= WIDE:
        parts += [
            (_fit(f"{row.at:%H:%M:%S}", 9), "muted"),
            (_topic(row), ""),
            (_fit("-" if row.seq is None else str(row.seq), 10), "muted"),
            (_fit("" if row.of_file else in_words(row.size), 10), "muted"),
            (_fit(_took(row, now, late=late), 8), "late" if late else "muted"),
            (_fit(_got_it(row), 8), "muted"),
        ]
    else:
        parts.append((_topic(row), ""))
    room = width - sum(cell_len(text) for text, _ in parts)
    note = _note(row, now, late=late and width < WIDE)
    if note:
        note = harmless(note[: room * 2 + 1]) + "  "
        parts.append((_cut(note, min(room, cell_len(note)), symbols), style))
        room -= cell_len(parts[-1][0])
    parts.append((_cut(harmless(row.text[: room + 1]), room, symbols), ""))
    return parts


_STYLES = {
    Mark.WAITING: "waiting",
    Mark.RESENDING: "late",
    Mark.STORED: "stored",
    Mark.CONFIRMED: "stored",
    Mark.FAILED: "failed",
}


def _mark(mark: Mark, symbols: Symbols) -> str:
    return {
        Mark.WAITING: symbols.waiting,
        Mark.RESENDING: symbols.reconnecting,
        Mark.STORED: symbols.stored,
        Mark.CONFIRMED: symbols.confirmed,
        Mark.FAILED: symbols.failed,
    }[mark]


def _topic(row: Row) -> str:
    return _fit(_fit(harmless(row.topic), 14), 15)


def _took(row: Row, now: float, *, late: bool) -> str:
    if late:
        return _seconds(row.waits_s(now))
    return "-" if row.took_s is None else _seconds(row.took_s)


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def _got_it(row: Row) -> str:
    """How many subscriptions have processed it, of how many."""
    return "" if not row.subscriptions else f"{row.confirmed} of {row.subscriptions}"


def _note(row: Row, now: float, *, late: bool) -> str:
    """What is to be said of it before the message itself."""
    if row.why:
        return row.why
    if row.mark is Mark.RESENDING:
        return "resent after a reconnect"
    return f"{_seconds(row.waits_s(now))} without an answer" if late else ""


def _fit(text: str, cells: int) -> str:
    """Return `text` in exactly `cells` cells, cut where it is too long."""
    return set_cell_size(text, max(cells, 0))


def _cut(text: str, cells: int, symbols: Symbols) -> str:
    """Return `text` in exactly `cells` cells; where it is too long, its end says so."""
    if cell_len(text.rstrip()) <= cells or cells < cell_len(symbols.cut):
        return _fit(text, cells)
    return _fit(text, cells - cell_len(symbols.cut)) + symbols.cut
