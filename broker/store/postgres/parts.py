"""A part: messages of a topic that follow one another and were committed together, as read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from broker.store.postgres.packed import moment
from protocol.frames import one_or_each, split_bodies


@dataclass(slots=True)
class Part:
    """Publishers are account ids: one where all are the same, else one per message."""

    first_seq: int
    count: int
    publishers: Sequence[int]
    committed_at: datetime
    bodies: bytes

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1


def parts(
    first_seq: int, times: Sequence[int], publishers: Sequence[int], bodies: bytes
) -> Iterator[Part]:
    """Yield the parts of messages that were committed at `times`, one a message."""
    lines, several, place = split_bodies(bodies), len(publishers) > 1, 0
    for time, together in groupby(times):
        end = place + sum(1 for _ in together)
        whose = publishers[place:end] if several else publishers
        yield Part(
            *(first_seq + place, end - place, one_or_each(whose), moment(time)),
            b"".join(lines[place:end]),
        )
        place = end
