"""The shapes on the screens, and the same in ASCII for terminals that have no others."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Symbols:
    """One shape for one meaning, wherever it is shown. A word or a place says it too."""

    offline: str = "○"
    connecting: str = "◌"
    live: str = "●"
    reconnecting: str = "↻"
    refused: str = "✗"
    closed: str = "■"
    waiting: str = "…"  # a publish that is not answered
    stored: str = "✓"
    confirmed: str = "✓✓"  # by all subscriptions
    failed: str = "✗"
    subscribed: str = "●"
    not_subscribed: str = "○"
    unread: str = "┃"
    chosen: str = "▌"  # the topic that is written to
    incoming: str = "↓"
    down: str = "▾"  # sorted so
    cut: str = "…"  # there is more of it
    rule: str = "─"
    more: str = "…"  # something is cut off here
    bars: str = "▁▂▃▄▅▆▇█"


ASCII = Symbols(
    offline="o",
    connecting=".",
    live="*",
    reconnecting="~",
    refused="x",
    closed="#",
    waiting="..",
    stored="ok",
    confirmed="OK",
    failed="!!",
    subscribed="*",
    not_subscribed="o",
    unread="|",
    chosen=">",
    incoming="v",
    down="v",
    cut="~",
    rule="-",
    more="~",
    bars="_.-=+*#@",
)


def symbols(*, ascii_only: bool) -> Symbols:
    return ASCII if ascii_only else Symbols()


def terminal_is_ascii() -> bool:
    """Return whether what is printed is not encoded in a way that has the other shapes."""
    return (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") != "utf8"
