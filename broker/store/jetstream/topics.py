"""The catalogue of topics, and the streams that belong to them."""

from collections.abc import Callable

import msgspec

from broker.store.jetstream.accounts import NUMBERS, coded
from broker.store.jetstream.bucket import Bucket, Mirror
from broker.store.jetstream.record import now_us
from broker.store.jetstream.streams import Streams
from broker.store.jetstream.topic import Names, TopicStream
from broker.store.jetstream.turns import Turns


class TopicEntry(msgspec.Struct, frozen=True):
    """What the catalogue says of a topic; its head and tail lie in its stream."""

    id: int
    name: str
    creator: int | None
    created_us: int


class Topics:
    """Makes, finds and takes away topics.

    A topic is there while its entry is: the stream is made before it and taken away after it.
    A crash in between leaves a stream that no topic has, which is told when a broker starts.
    """

    def __init__(
        self,
        bucket: Bucket[TopicEntry],
        numbers: Bucket[None],
        streams: Streams,
        names: Names,
        replicas: int,
        turns: Turns,
    ) -> None:
        self._bucket = bucket
        self._numbers = numbers
        self._streams = streams
        self._names = names
        self._replicas = replicas
        self._turns = turns
        self._mirror: Mirror[TopicEntry] = Mirror(bucket)
        self._topics: dict[int, TopicStream] = {}

    def stream_of(self, topic_id: int) -> TopicStream:
        """Return the stream of a topic, whether there is one or not."""
        stream = self._topics.get(topic_id)
        if stream is None:
            stream = TopicStream(self._streams, self._names, topic_id, self._turns.of(topic_id))
            self._topics[topic_id] = stream
        return stream

    async def create(self, name: str, creator: int) -> TopicEntry | None:
        found = await self._bucket.get(coded(name))
        if found.value is not None:
            return None
        topic_id = await self._numbers.next_number(NUMBERS)
        await self._streams.make(self._names.config(topic_id, self._replicas))
        await self.stream_of(topic_id).begin()
        entry = TopicEntry(topic_id, name, creator, now_us())
        if not await self._bucket.made(coded(name), entry, found.revision):
            await self._drop_stream(topic_id)
            return None
        return entry

    async def all(self) -> list[TopicEntry]:
        """Return all topics there are, oldest first."""
        await self._mirror.refresh()
        return self.known()

    def known(self) -> list[TopicEntry]:
        """Return the topics there were when `all` was last asked, oldest first."""
        return sorted(self._mirror.items().values(), key=lambda one: one.id)

    async def exists(self, topic_id: int) -> bool:
        return any(one.id == topic_id for one in await self.all())

    async def delete(self, topic_id: int) -> None:
        await self._change(lambda one: one.id == topic_id, lambda one: None)
        await self._drop_stream(topic_id)

    async def disown(self, account_id: int) -> None:
        """Have the topics that the account made be nobody's."""
        await self._change(
            lambda one: one.creator == account_id,
            lambda one: msgspec.structs.replace(one, creator=None),
        )

    async def _change(
        self,
        which: Callable[[TopicEntry], bool],
        change: Callable[[TopicEntry], TopicEntry | None],
    ) -> None:
        while found := [one for one in await self.all() if which(one)]:
            for one in found:
                key = coded(one.name)
                entry = await self._bucket.get(key)
                if entry.value is None or not which(entry.value):
                    continue
                changed = change(entry.value)
                if changed is None:
                    await self._bucket.remove(key, entry.revision)
                else:
                    await self._bucket.put(key, changed, entry.revision)

    async def _drop_stream(self, topic_id: int) -> None:
        await self._streams.remove(self._names.stream(topic_id))
        self._topics.pop(topic_id, None)
        self._turns.forget(topic_id)
