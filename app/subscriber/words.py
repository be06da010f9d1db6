"""What the subscriber's screen says of itself."""

from app.feed import FeedView
from app.screens.symbols import Symbols
from app.subscriber.rates import Rates
from app.subscriber.topics import Topics

MANY = 200  # messages a second from which on a person sees only some of them pass
LATE_S = 0.1


def counters(feed: FeedView, topics: Topics, rates: Rates, symbols: Symbols, *, wide: bool) -> str:
    """Return what the status bar counts."""
    parts = [f"{symbols.incoming} {rates.now:,}/s"]
    late_s = feed.pending / rates.now if rates.now else 0.0
    if wide and late_s >= LATE_S:
        parts.append(f"behind {late_s:.1f} s")
    elif wide and rates.now > MANY:
        parts.append("showing all, view 20 fps")
    parts.append(f"unread {topics.unread:,}")
    return "   ".join([*parts, "HELD"] if feed.held else parts)


def empty_words(name: str | None, topics: Topics) -> str:
    """Return what an empty feed says, of topic `name` or of all: what to press or to expect."""
    if not len(topics):
        return "No topics yet. A publisher makes them."
    if name is not None and not (name in topics and topics[name].shown_subscribed):
        return "Not subscribed. s: what comes, S: all there is."
    if not topics.subscribed:
        return "Not subscribed to anything. Choose a topic, press s."
    return f"Waiting for the first message{f' on {name}' if name else ''}."
