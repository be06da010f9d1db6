"""The state of a connection in words, and other short texts of the status bar."""

from app.screens.symbols import Symbols
from app.text import harmless
from clients import Phase, State


def in_words(state: State, now: float, symbols: Symbols) -> str:
    """Return what a person reads of `state`; `now` is the clock of the event loop."""
    match state.phase:
        case Phase.LIVE:
            return f"{symbols.live} live"
        case Phase.OFFLINE:
            return f"{symbols.offline} offline"
        case Phase.CONNECTING:
            again = f" (try {state.attempt})" if state.attempt else ""
            return f"{symbols.connecting} connecting{again}"
        case Phase.SIGNING_IN:
            return f"{symbols.connecting} signing in"
        case Phase.RECONNECTING:
            left = max(round((state.retry_at or now) - now), 0)
            return f"{symbols.reconnecting} reconnecting in {left} s (try {state.attempt})"
        case Phase.REFUSED:
            return f"{symbols.refused} refused: {harmless(state.why)}"
        case Phase.CLOSED:
            return f"{symbols.closed} closed: {harmless(state.why)}"


def shortened(text: str, width: int) -> str:
    """Return `text` in at most `width` characters."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def count_of(number: int, one: str, many: str = "") -> str:
    """Return "1 topic", "3 topics"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
