"""Where a subscription stands in its topic's log."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.topics import Topic

if TYPE_CHECKING:
    from broker.delivery import Reader


@dataclass(slots=True, eq=False)
class Cursor:
    """A signed-in subscriber's place in one topic: always `confirmed <= sent <= topic.head`.

    `sent` is what went out to the connection, `confirmed` what the subscriber is known to
    have. Messages up to `unread_until` were published while it was away.
    """

    reader: "Reader"
    account_id: int
    topic: Topic
    confirmed: int
    sent: int
    unread_until: int
    forgotten: bool = False  # its place is not to be saved any more

    def confirm(self, seq: int) -> bool:
        """Move `confirmed` up to `seq`; return whether that moved it."""
        if seq <= self.confirmed:
            return False
        self.confirmed = min(seq, self.sent)
        return True
