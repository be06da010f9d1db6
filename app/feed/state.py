"""What a feed tells about itself."""

from typing import NamedTuple

from app.feed.pattern import LONGEST_TEXT


class FeedState(NamedTuple):
    """The properties of FeedView with these names say what each means."""

    held: bool = False
    new_count: int = 0
    place: tuple[int, int] = (0, 0)
    matches: tuple[int, int] = (0, 0)
    dropped: int = 0
    pending: int = 0
    searched: int = LONGEST_TEXT
    filter_error: str = ""
