"""What a feed is made of: messages, and dividers between them.

Tuples, because a feed keeps tens of thousands: about 0.3 kB each, with a short text.
"""

from datetime import datetime
from typing import NamedTuple


class MessageRow(NamedTuple):
    """A message. `unread` if it was published while its reader was away."""

    topic: str
    seq: int
    publisher: str
    published_at: datetime
    text: str
    unread: bool = False


class DividerRow(NamedTuple):
    """A line of words across the feed, such as "live since 12:10:02".

    With a topic it shows only where that topic does.
    """

    text: str
    topic: str | None = None


Row = MessageRow | DividerRow
