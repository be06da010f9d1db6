"""How long publishes waited to be on disk, over the last minute, in a few numbers."""

from collections import deque
from math import ceil, exp, log

SLICE_S = 5.0
SLICES = 12  # that make up the minute

_LEAST_S = 20e-6
_WIDTH = log(1.1)  # of a bucket: each reaches a tenth further than the one before it


class Latencies:
    """Percentiles of what was added in the last minute, a tenth too high at most.

    What is kept does not grow with what is added.
    """

    def __init__(self) -> None:
        # Each slice has its number and how many waited how long, by bucket.
        self._slices: deque[tuple[int, dict[int, int]]] = deque(maxlen=SLICES)

    def add(self, seconds: float, count: int, now: float) -> None:
        """Take note that `count` messages waited for `seconds`."""
        number = int(now / SLICE_S)
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append((number, {}))
        buckets = self._slices[-1][1]
        bucket = ceil(log(max(seconds, _LEAST_S) / _LEAST_S) / _WIDTH)
        buckets[bucket] = buckets.get(bucket, 0) + count

    def percentiles(self, shares: list[float], now: float) -> list[float | None]:
        """Return for each share how long at most that many waited; None where nothing did."""
        oldest = int(now / SLICE_S) - SLICES
        together: dict[int, int] = {}
        for number, buckets in self._slices:
            if number > oldest:
                for bucket, count in buckets.items():
                    together[bucket] = together.get(bucket, 0) + count
        ordered = sorted(together.items())
        return [_at(ordered, share) for share in shares]


def _at(ordered: list[tuple[int, int]], share: float) -> float | None:
    wanted = share * sum(count for _, count in ordered)
    for bucket, count in ordered:
        wanted -= count
        if wanted <= 0:
            return _LEAST_S * exp(bucket * _WIDTH)
    return None
