"""The live feed of messages, as widgets that know neither clients nor wire."""

from app.feed.rows import DividerRow, MessageRow, Row
from app.feed.view import FeedView

__all__ = ["DividerRow", "FeedView", "MessageRow", "Row"]
