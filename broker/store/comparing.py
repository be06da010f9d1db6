"""Compare what two stores hold, however much that is: only a chunk of each is in memory."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import groupby
from typing import Protocol, TypeVar

from broker.store.interface import StoredBlock


class Keyed(Protocol):
    @property
    def key(self) -> tuple[str, ...]: ...


K = TypeVar("K", bound=Keyed)


async def side_by_side(
    left: AsyncGenerator[Sequence[K], None], right: AsyncGenerator[Sequence[K], None]
) -> AsyncGenerator[tuple[K | None, K | None], None]:
    """Yield the entries of both by key, with None where one side lacks it.

    Both come in chunks, ordered by key.
    """
    async with aclosing(_flat(left)) as lefts, aclosing(_flat(right)) as rights:
        a, b = await anext(lefts, None), await anext(rights, None)
        while a is not None or b is not None:
            has_left = a is not None and (b is None or a.key <= b.key)
            has_right = b is not None and (a is None or b.key <= a.key)
            yield a if has_left else None, b if has_right else None
            a = await anext(lefts, None) if has_left else a
            b = await anext(rights, None) if has_right else b


async def _flat(chunks: AsyncGenerator[Sequence[K], None]) -> AsyncGenerator[K, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            for entry in chunk:
                yield entry


class Digest:
    """A checksum over a run of messages, the same however they are cut into blocks."""

    def __init__(self) -> None:
        self._texts = blake2b(digest_size=16)
        self._publishers = _Runs()
        self._times = _Runs()
        self._count = 0

    def add(self, blocks: Iterable[StoredBlock]) -> None:
        """Add what follows; every body ends with a newline, so that none runs into the next."""
        for block in blocks:
            self._count += block.count
            self._texts.update(block.bodies)
            self._times.add(block.committed_at, block.count)
            if len(block.publishers) == 1:
                self._publishers.add(block.publishers[0], block.count)
            else:
                for publisher, run in groupby(block.publishers):
                    self._publishers.add(publisher, len([*run]))

    def differences(self, other: "Digest") -> list[str]:
        """Return what of the messages is not the same, in words."""
        ours, theirs = self._parts(), other._parts()
        return [name for name, part in ours.items() if theirs[name] != part]

    def _parts(self) -> dict[str, object]:
        return {
            "number": self._count,
            "texts": self._texts.digest(),
            "publishers": self._publishers.digest(),
            "times": self._times.digest(),
        }


class _Runs:
    """A checksum over texts or times of which many in a row are the same."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._value: str | datetime = ""
        self._count = 0

    def add(self, value: str | datetime, count: int) -> None:
        if value != self._value:
            self._hash.update(self._run())
            self._value, self._count = value, 0
        self._count += count

    def digest(self) -> bytes:
        ended = self._hash.copy()
        ended.update(self._run())
        return ended.digest()

    def _run(self) -> bytes:
        if self._count == 0:
            return b""
        value = self._value
        text = value if isinstance(value, str) else value.astimezone(UTC).isoformat()
        # What is written of the text ends where its length says, so no two runs look alike.
        data = text.encode(errors="surrogatepass")
        return b"%d %d %s\n" % (self._count, len(data), data)
