"""The live feed of messages, as widgets that know neither clients nor wire."""

from app.feed.detail import DetailView
from app.feed.filter_bar import FilterBar
from app.feed.held_line import HeldLine
from app.feed.rows import DividerRow, MessageRow, Row
from app.feed.state import FeedState
from app.feed.view import FeedView

__all__ = [
    "DetailView",
    "DividerRow",
    "FeedState",
    "FeedView",
    "FilterBar",
    "HeldLine",
    "MessageRow",
    "Row",
]
