"""Numbers packed into bytes, eight bytes each, the highest first (in SQL: `number_at`)."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def packed(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(numbers)}q", *numbers)


def unpacked(numbers: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(numbers) // 8}q", numbers)


def microseconds(moment: datetime) -> int:
    """Return a time as it is packed: in microseconds since 1970."""
    return (moment - _START) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    return _START + microseconds * _MICROSECOND
