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
    """A topic. `head` moves only when a commit is on disk and its blocks are delivered."""

    id: int
    name: str
    head: int
    live: "dict[Cursor, None]" = field(default_factory=dict)  # those at the head, in order


class Topics:
    """All topics; `get(name)` is one of them, or None."""

    def __init__(self) -> None:
        self._by_name: dict[str, Topic] = {}
        self._by_id: dict[int, Topic] = {}
        self.get = self._by_name.get  # called for every run of publishes

    def add(self, record: TopicRecord) -> Topic:
        """Return the topic of `record`, which may be known already."""
        topic = self._by_id.get(record.id)
        if topic is None:
            topic = self._by_id[record.id] = Topic(record.id, record.name, record.head)
            self._by_name[record.name] = topic
        return topic

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
            shown = repr(name if len(name) <= 60 else name[:57] + "...")
            raise RequestRefused(
                Reason.TOPIC_NOT_FOUND,
                f"there is no topic {shown}; list_topics shows the ones there are, and a"
                " publisher can create_topic",
            )
        return topic
