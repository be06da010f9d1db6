"""A producer: a publisher's program whose publishes are stored once, however often sent."""

from bisect import bisect_left
from dataclasses import dataclass, field

from broker.store.interface import ProducerMark
from protocol.reasons import Reason, RequestRefused
from protocol.replies import RequestId

REFUSED_RUNS = 500  # runs of refused ids that are remembered; the oldest go first


@dataclass(slots=True, eq=False)
class Producer:
    """How far a signed-in producer has come.

    Its publishes carry ids that rise. One that is not above `last_id` is a repeat and is
    answered without being stored again, unless it was refused the first time.

    `refused` holds runs of ids none of which is stored, as first, last, first, last, ...; they
    rise. Between two ids that were stored there is one run at most, however many were refused.
    """

    account_id: int
    name: str
    last_id: int
    refused: list[int] = field(default_factory=list)
    epoch: int = 0  # of its session

    @property
    def newest_id(self) -> int:
        """The highest id that has come, refused or not: one above it is new."""
        return max([self.last_id, *self.refused[-1:]])

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
        return request_id <= self.last_id and self._run_of(request_id) is None

    def accept(self, request_id: RequestId) -> None:
        """Take note that a publish with this id is being stored."""
        assert isinstance(request_id, int)
        place = self._run_of(request_id)
        if place is not None:
            first, last = self.refused[place : place + 2]
            before = [first, request_id - 1] if first < request_id else []
            after = [request_id + 1, last] if request_id < last else []
            self.refused[place : place + 2] = before + after
        self.last_id = max(self.last_id, request_id)

    def note_refused(self, request_id: RequestId) -> None:
        """Remember that this id was answered with an error, unless it was stored before."""
        if type(request_id) is not int or request_id <= self.last_id:
            return
        if self.newest_id > self.last_id:
            first, last = self.refused[-2:]
            self.refused[-2:] = min(first, request_id), max(last, request_id)
        else:
            self.refused += request_id, request_id

    def _run_of(self, request_id: int) -> int | None:
        """Return where the run of refused ids begins that holds this one, if one does."""
        place = bisect_left(self.refused, request_id)
        if place % 2:
            return place - 1
        return place if self.refused[place : place + 1] == [request_id] else None

    def mark(self) -> ProducerMark:
        """Return what is stored together with its messages."""
        del self.refused[: -2 * REFUSED_RUNS]
        return ProducerMark(
            self.account_id, self.name, self.last_id, tuple(self.refused), self.epoch
        )


def producer_of(mark: ProducerMark) -> Producer:
    """Return the producer as it was stored."""
    return Producer(mark.account_id, mark.producer, mark.last_id, [*mark.refused], mark.epoch)
