"""The topics there are, with their heads, as this broker knows them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broker.store.interface import TopicRecord
from protocol.reasons import Reason, RequestRefused

if TYPE_CHECKING:
    from broker.cursor import Cursor


@dataclass(slots=True, eq=False)
class Topic:
    """A topic. `head` moves only when a commit is on disk and its blocks are delivered.

    Messages up to `tail` have been taken out: always `tail <= head`. `deleted` is looked at
    by whoever has waited for something since the topic was found.
    """

    id: int
    name: str
    head: int
    tail: int = 0
    creator_id: int | None = None
    deleted: bool = False
    live: "dict[Cursor, None]" = field(default_factory=dict)  # those at the head, in order

    @property
    def kept(self) -> int:
        """How many messages there are."""
        return self.head - self.tail

    def unread(self, seq: int) -> int:
        """Return how many messages there are after `seq`."""
        return max(self.head - max(seq, self.tail), 0)

    def take_out(self, up_to: int) -> int:
        """Messages up to `up_to` are not kept any more; return how many that are."""
        before, self.tail = self.tail, max(self.tail, min(up_to, self.head))
        return self.tail - before


class Topics:
    """All topics; `get(name)` is one of them, or None."""

    def __init__(self) -> None:
        self._by_name: dict[str, Topic] = {}
        self._by_id: dict[int, Topic] = {}
        self._gone: set[int] = set()  # ids of those that were deleted: none is used again
        self.get = self._by_name.get  # called for every run of publishes
        self.by_id = self._by_id.get

    def add(self, record: TopicRecord) -> Topic | None:
        """Return the topic of `record`, which may be known already.

        None where it has been deleted since the record was read.
        """
        if record.id in self._gone:
            return None
        topic = self._by_id.get(record.id)
        if topic is None:
            topic = self._by_id[record.id] = Topic(
                record.id, record.name, record.head, record.tail, record.creator_id
            )
            self._by_name[record.name] = topic
        return topic

    def remove(self, topic: Topic) -> None:
        """Know `topic` no more, whatever a query that is under way says of it."""
        topic.deleted = True
        self._gone.add(topic.id)
        del self._by_id[topic.id], self._by_name[topic.name]

    def take_out(self, topic_id: int, up_to: int) -> int:
        """Messages of a topic are not kept any more; return how many, of one that is there."""
        topic = self._by_id.get(topic_id)
        return topic.take_out(up_to) if topic is not None else 0

    def load(self, records: Iterable[TopicRecord]) -> None:
        for record in records:
            self.add(record)

    def __iter__(self) -> Iterator[Topic]:
        """Yield all topics, oldest first."""
        return iter(sorted(self._by_id.values(), key=lambda topic: topic.id))

    def named(self, name: str) -> Topic:
        """Return the topic `name`, or refuse the request that asks for it."""
        topic = self.get(name)
        if topic is None:
            raise _not_found(name)
        return topic


def check_there(topic: Topic) -> None:
    """Refuse the request that asks for `topic`, if that was deleted meanwhile."""
    if topic.deleted:
        raise _not_found(topic.name)


def _not_found(name: str) -> RequestRefused:
    shown = repr(name if len(name) <= 60 else name[:57] + "...")
    return RequestRefused(
        Reason.TOPIC_NOT_FOUND,
        f"there is no topic {shown}; list_topics shows the ones there are, and a"
        " publisher can create_topic",
    )
