"""The shape that stands for each kind of event."""

from app.demo.events import Mark
from app.screens.symbols import Symbols


def sign(mark: Mark, symbols: Symbols) -> str:
    return {
        Mark.SENT: symbols.waiting,
        Mark.STORED: symbols.stored,
        Mark.CONFIRMED: symbols.confirmed,
        Mark.RESENT: symbols.reconnecting,
        Mark.REFUSED: symbols.failed,
        Mark.UNREAD: symbols.unread,
        Mark.LIVE: symbols.incoming,
        Mark.ASKED: ">",
        Mark.ANSWERED: "<",
        Mark.FACT: "*",
    }[mark]


def in_signs(text: str, symbols: Symbols) -> str:
    """Return one of our own texts with the signs of stored and confirmed in their shapes."""
    return text.replace("✓✓", symbols.confirmed).replace("✓", symbols.stored)
