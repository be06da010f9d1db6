"""Numbers as a person reads them, in the fewest cells."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from app.text import harmless


def in_bytes(count: float) -> str:
    """Return "812 B", "41.0 kB", "1.2 GB"."""
    if count < 1_000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1_000
        if count < 999.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1_000:,.1f} TB"


def in_time(seconds: float) -> str:
    """Return "3s", "12m", "5h", "2d"."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def as_clock(seconds: float) -> str:
    """Return "01:12:44"; days come before that where there are any."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour:02}:{minute:02}:{second:02}"
    return f"{days} d {clock}" if days else clock


def in_milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    milliseconds = seconds * 1_000
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"


def number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def compact(count: int | None) -> str:
    """Return a number in at most seven characters."""
    if count is None or count < 1_000_000:
        return number(count)
    if count < 1_000_000_000:
        return f"{count / 1_000_000:.1f}M"
    return f"{count / 1_000_000_000:,.1f}G"


def sparks(values: Sequence[float], width: int, bars: str) -> str:
    """Return the newest `width` values as bars, the highest of them as the highest bar."""
    shown = values[-width:] if width > 0 else []
    top = max(shown, default=0) or 1
    return "".join(bars[round(value / top * (len(bars) - 1))] for value in shown)


def cell(text: str, width: int, more: str, *, right: bool = False) -> Text:
    """Return what anyone may have written, harmless and in `width` cells; `more` marks a cut."""
    shown = harmless(text)
    if cell_len(shown) > width:
        shown = set_cell_size(shown, width - cell_len(more)).rstrip() + more
    return Text(shown, no_wrap=True, end="", justify="right" if right else "left")
