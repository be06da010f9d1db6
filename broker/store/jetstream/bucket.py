"""A key-value bucket, laid out as NATS' own tools expect it, changed by compare-and-set."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from broker.store.errors import StoreLost
from broker.store.jetstream.connection import all_of
from broker.store.jetstream.streams import Message, Streams, WrongLast

T = TypeVar("T")

_GONE = ("DEL", "PURGE")  # what a marker says that stands where a value was
RELOAD_FACTOR = 2  # more changes than so many a key, and everything is read anew


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """What stands at a key, None where nothing does. `revision` is what a change has to name."""

    revision: int
    value: T | None


def bucket_config(bucket: str, replicas: int) -> dict[str, Any]:
    """Return how a bucket's stream is made."""
    return {
        "name": f"KV_{bucket}",
        "subjects": [f"$KV.{bucket}.>"],
        "description": "pubsub-suite",
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "max_msgs_per_subject": 1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "max_consumers": -1,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_direct": True,
    }


class Bucket(Generic[T]):
    """Values of one kind. All is asked of the leader: nobody reads what is out of date."""

    def __init__(self, streams: Streams, name: str, kind: type[T]) -> None:
        self._streams = streams
        self._stream = f"KV_{name}"
        self._subject = f"$KV.{name}."
        self._decoder = msgspec.json.Decoder(kind)

    async def get(self, key: str) -> Entry[T]:
        """Return what stands at `key`."""
        message = await self._streams.get(self._stream, last_by_subj=self._subject + key)
        return Entry(0, None) if message is None else self._entry(message)

    async def put(self, key: str, value: T, revision: int) -> int | None:
        """Put `value` where `revision` stands, and return the new one; None: it is not so."""
        return await self._write(key, msgspec.json.encode(value), revision, {})

    async def made(self, key: str, value: T, revision: int) -> bool:
        """Put `value`, which nobody else would put, and return whether it stands there."""
        if await self.put(key, value, revision) is not None:
            return True
        # One that was the leader may say no where the next one has said yes.
        return (await self.get(key)).value == value

    async def remove(self, key: str, revision: int) -> bool:
        """Take away what stands at `key` with `revision`; return whether that was so."""
        marker = {"KV-Operation": "PURGE", "Nats-Rollup": "sub"}
        return await self._write(key, b"", revision, marker) is not None

    async def next_number(self, key: str) -> int:
        """Return a number that is above all that this bucket has given out."""
        return await self._streams.write_patiently(self._subject + key, b"", {})

    async def keys(self, pattern: str = ">") -> list[str]:
        """Return the keys there are, those where only a marker is left included."""
        state = await self._streams.look(self._stream, self._subject + pattern)
        return [] if state is None else [name[len(self._subject) :] for name in state.subjects]

    async def range(self) -> tuple[int, int]:
        """Return the first and the newest revision there are."""
        state = await self._streams.look(self._stream)
        if state is None:
            raise StoreLost(f"the bucket {self._stream} is not there")
        return state.first, state.last

    async def at(self, revision: int) -> tuple[str, Entry[T]] | None:
        """Return the key that `revision` is of, with what stands there; None: a newer one does."""
        message = await self._streams.get(self._stream, seq=revision)
        if message is None:
            return None
        return message.subject[len(self._subject) :], self._entry(message)

    def _entry(self, message: Message) -> Entry[T]:
        if message.headers.get("KV-Operation") in _GONE:
            return Entry(message.sequence, None)
        return Entry(message.sequence, self._decoder.decode(message.data))

    async def _write(
        self, key: str, payload: bytes, revision: int, headers: dict[str, str]
    ) -> int | None:
        expected = {"Nats-Expected-Last-Subject-Sequence": str(revision), **headers}
        try:
            return await self._streams.write_patiently(self._subject + key, payload, expected)
        except WrongLast:
            return None


class Mirror(Generic[T]):
    """What a bucket holds, in memory, as far as it has been looked at.

    `refresh` reads only what has changed since, in the order of the revisions.
    """

    def __init__(
        self,
        bucket: Bucket[T],
        changed: Callable[[str, T | None], None] = lambda key, value: None,
    ) -> None:
        self._bucket = bucket
        self._changed = changed
        self._entries: dict[str, Entry[T]] = {}
        self._seen = 0  # the newest revision that is in here
        self._refreshing = asyncio.Lock()

    def items(self) -> dict[str, T]:
        return {key: one.value for key, one in self._entries.items() if one.value is not None}

    async def refresh(self) -> None:
        """Return when all that had been written before the call is here."""
        async with self._refreshing:
            _, last = await self._bucket.range()
            if last - self._seen > RELOAD_FACTOR * len(self._entries) + 64:
                keys = await self._bucket.keys()
                await all_of([partial(self._read_key, key) for key in keys])
            else:
                revisions = range(self._seen + 1, last + 1)
                await all_of([partial(self._read_revision, one) for one in revisions])
            self._seen = last

    def learn(self, key: str, entry: Entry[T]) -> None:
        """Take over what is known to stand at `key`, unless something newer is known."""
        known = self._entries.get(key)
        if known is None or known.revision < entry.revision:
            self._entries[key] = entry
            self._changed(key, entry.value)

    async def _read_key(self, key: str) -> None:
        self.learn(key, await self._bucket.get(key))

    async def _read_revision(self, revision: int) -> None:
        found = await self._bucket.at(revision)
        if found is not None:
            self.learn(*found)
