"""Numbers on their way to the store and back: packed, and as text.

Packed are eight bytes each, the highest first (in SQL: `number_at`).
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_decode_numbers = msgspec.json.Decoder(list[int]).decode


def packed(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(numbers)}q", *numbers)


def unpacked(numbers: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(numbers) // 8}q", numbers)


def array_text(numbers: Iterable[int]) -> str:
    """Return an array as PostgreSQL reads it: `$1::text::integer[]`.

    asyncpg takes 0.2 us for each element of an array, whatever it holds; this a tenth of that.
    """
    return "{" + msgspec.json.encode([*numbers])[1:-1].decode() + "}"


def of_array_text(text: str) -> list[int]:
    """Return the numbers of an array that PostgreSQL has written as text.

    To learn how an array itself is read, asyncpg asks the server for 7 ms on each connection.
    """
    return _decode_numbers(f"[{text[1:-1]}]")


def microseconds(moment: datetime) -> int:
    """Return a time as it is packed: in microseconds since 1970."""
    return (moment - _START) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    return _START + microseconds * _MICROSECOND
