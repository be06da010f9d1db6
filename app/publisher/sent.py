"""What was sent and what became of it: the rows of the Sent pane."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from itertools import count

MOST_ROWS = 1_000
MOST_CHARACTERS = 8 * 1024 * 1024  # of all messages in the rows together


class Mark(Enum):
    """What became of a message."""

    WAITING = auto()  # no answer yet
    RESENDING = auto()  # no answer yet, and sent again after a reconnect
    STORED = auto()
    CONFIRMED = auto()  # stored, and processed by all subscriptions
    FAILED = auto()  # refused, or it is not known

    @property
    def open(self) -> bool:
        """Whether an answer is still to come."""
        return self in (Mark.WAITING, Mark.RESENDING)


_numbers = count(1)


@dataclass(slots=True, eq=False)
class Row:
    """A message, or a whole file of them, of which `why` then says how far it is.

    `at` is when it was sent on the wall's clock; `began` and `settled` are on the program's.
    """

    topic: str
    text: str
    size: int
    at: datetime
    began: float
    mark: Mark = Mark.WAITING
    seq: int | None = None
    settled: float | None = None
    why: str = ""
    confirmed: int | None = None  # subscriptions that have processed it, as far as is known
    subscriptions: int | None = None
    of_file: bool = False
    messages: tuple[int, int] = (0, 0)  # of a file: how many are stored, how many failed
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def took_s(self) -> float | None:
        return None if self.settled is None else self.settled - self.began

    def waits_s(self, now: float) -> float:
        """How long it has been without an answer."""
        return now - self.began if self.mark.open else 0.0


class SentList:
    """The newest rows, oldest first; `changes` grows with whatever a person could see change.

    At most `MOST_ROWS`, and about `MOST_CHARACTERS`: the oldest settled ones go. Rows without
    an answer never go; whoever adds bounds those.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.stored = 0  # messages, those of files too
        self.failed = 0
        self.changes = 0
        self._characters = 0

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._characters += len(row.text)
        self.changes += 1
        self._forget()

    def store(self, row: Row, seq: int | None, now: float) -> None:
        """The message of `row` is on disk."""
        row.mark, row.seq, row.settled = Mark.STORED, seq, now
        self.count(stored=1)

    def fail(self, row: Row, why: str, now: float) -> None:
        """The message of `row` was not stored, or nobody knows, because of `why`."""
        row.mark, row.why, row.settled = Mark.FAILED, why, now
        self.count(failed=1)

    def resend(self, row: Row) -> None:
        """The message of `row` was sent again."""
        if row.mark is Mark.WAITING:
            row.mark = Mark.RESENDING
            self.changes += 1

    def count(self, *, stored: int = 0, failed: int = 0) -> None:
        """So many messages more are stored, or failed."""
        self.stored += stored
        self.failed += failed
        self.changes += 1

    def newest_first(self, place: int) -> Row | None:
        """Return the row at `place`, counted from the newest, from 0 on."""
        return self.rows[-1 - place] if 0 <= place < len(self.rows) else None

    def place_of(self, number: int) -> int | None:
        """Return where the row `number` is, counted from the newest."""
        for place, row in enumerate(reversed(self.rows)):
            if row.number == number:
                return place
        return None

    def _forget(self) -> None:
        while len(self.rows) > MOST_ROWS or self._characters > MOST_CHARACTERS:
            oldest = next((row for row in self.rows if not row.mark.open), None)
            if oldest is None:
                return
            self.rows.remove(oldest)
            self._characters -= len(oldest.text)
