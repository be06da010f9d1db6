"""A producer: a publisher's program whose publishes are stored once, however often sent."""

from collections import deque
from dataclasses import dataclass, field

from broker.store.interface import ProducerMark
from protocol.reasons import Reason, RequestRefused
from protocol.replies import RequestId

REFUSED_LIMIT = 1_000  # refused ids that are remembered; the oldest go first


@dataclass(slots=True, eq=False)
class Producer:
    """How far a signed-in producer has come.

    Its publishes carry ids that rise. One that is not above `last_id` is a repeat and is
    answered without being stored again, unless it was refused the first time.
    """

    account_id: int
    name: str
    last_id: int
    refused: deque[int] = field(default_factory=lambda: deque(maxlen=REFUSED_LIMIT))

    @property
    def newest_id(self) -> int:
        """The highest id that has come, refused or not: one above it is new."""
        return max([self.last_id, *self.refused])

    def repeats(self, request_id: RequestId) -> bool:
        """Return whether a publish with this id has been stored before.

        Raises:
            RequestRefused: the id is not an integer from 1 on.
        """
        if type(request_id) is not int or request_id < 1:
            raise RequestRefused(
                Reason.BAD_REQUEST,
                "a producer's publishes carry an integer id, from 1 on, that rises from one to"
                " the next",
            )
        return request_id <= self.last_id and request_id not in self.refused

    def accept(self, request_id: RequestId) -> None:
        """Take note that a publish with this id is being stored."""
        assert isinstance(request_id, int)
        if request_id in self.refused:
            self.refused.remove(request_id)
        self.last_id = max(self.last_id, request_id)

    def note_refused(self, request_id: RequestId) -> None:
        """Remember that this id was answered with an error, unless it was stored before."""
        if type(request_id) is not int or request_id <= self.last_id:
            return
        if request_id not in self.refused:
            self.refused.append(request_id)

    def mark(self) -> ProducerMark:
        """Return what is stored together with its messages."""
        return ProducerMark(self.account_id, self.name, self.last_id, tuple(self.refused))


def producer_of(account_id: int, name: str, mark: ProducerMark | None) -> Producer:
    """Return the producer as it was stored, or a new one."""
    if mark is None:
        return Producer(account_id, name, 0)
    return Producer(account_id, name, mark.last_id, deque(mark.refused, maxlen=REFUSED_LIMIT))
