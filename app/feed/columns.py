"""Where a row's parts stand: a column each, as wide as the feed has room for."""

from dataclasses import dataclass

WIDE = 60  # cells from which on a feed has room for the seq, and for its heading
ROOM_FOR_TOPIC = 44
ROOM_FOR_PUBLISHER = 30


@dataclass(frozen=True, slots=True)
class Columns:
    """The widths, in cells; 0 for a column that is left out. One space stands after each."""

    mark: int
    time: int
    seq: int
    topic: int
    publisher: int
    text: int

    @property
    def fixed(self) -> int:
        """How many cells stand before the text."""
        widths = (self.time, self.seq, self.topic, self.publisher)
        return self.mark + sum(width + 1 for width in widths if width)


def columns_for(width: int, *, wide: bool, show_topic: bool, seq_digits: int) -> Columns:
    """Return the columns of a feed of `width` cells; the text gets what is left, at least 1."""
    mark = 3 if wide else 2
    seq = max(6, seq_digits) if wide else 0
    topic = _share(width, 8, 18) if show_topic and width >= ROOM_FOR_TOPIC else 0
    publisher = _share(width, 8, 20) if width >= ROOM_FOR_PUBLISHER else 0
    columns = Columns(mark, 8, seq, topic, publisher, 0)
    return Columns(mark, 8, seq, topic, publisher, max(1, width - columns.fixed))


def _share(width: int, least: int, most: int) -> int:
    return min(most, max(least, width // 6))
