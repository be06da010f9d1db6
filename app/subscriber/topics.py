"""What a subscriber's screen knows of each topic: subscribed or not, and how much is unread."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clients.values import TopicState


@dataclass(slots=True)
class Topic:
    """A topic as this account sees it.

    `read` is the seq up to which it is confirmed, so `unread` is what the broker counts too:
    everything that would come again if the session began anew, so not what is gone, up to
    `tail`. `wanted` is what a person has
    asked for and the broker has not answered yet.
    """

    name: str
    head: int = 0
    read: int = 0
    subscribed: bool = False
    subscribers: int = 0
    wanted: bool | None = None
    muted: bool = False
    tail: int = 0
    listed: bool = False  # the broker has told of it

    @property
    def shown_subscribed(self) -> bool:
        return self.subscribed if self.wanted is None else self.wanted

    @property
    def unread(self) -> int:
        return max(self.head - max(self.read, self.tail), 0) if self.shown_subscribed else 0


class Topics:
    """All topics by name, in the order of their names."""

    def __init__(self, muted: Iterable[str] = ()) -> None:
        self._topics: dict[str, Topic] = {}
        self._muted = {*muted}

    def learn(self, states: Iterable[TopicState]) -> None:
        """Take what the broker says of all topics; what has come since stays.

        Not how much is unread: that is of another moment than the head, with messages coming.
        A topic that was there before and is not any more was deleted.
        """
        listed = {state.topic_name: state for state in states}
        for name in [one.name for one in self if one.listed and one.name not in listed]:
            self.forget(name)
        for state in listed.values():
            topic = self[state.topic_name]
            topic.listed = True
            topic.head = max(topic.head, state.head)
            topic.tail = max(topic.tail, state.tail)
            topic.subscribers = state.subscribers
            topic.subscribed = state.subscribed
        self._topics = dict(sorted(self._topics.items()))

    def __getitem__(self, name: str) -> Topic:
        """Return the topic of this name; it becomes known by being asked for."""
        if name not in self._topics:
            self._topics[name] = Topic(name, muted=name in self._muted)
        return self._topics[name]

    def __contains__(self, name: object) -> bool:
        return name in self._topics

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics.values())

    def __len__(self) -> int:
        return len(self._topics)

    def came(self, name: str, seq: int) -> None:
        """Message `seq` has come."""
        topic = self[name]
        topic.head = max(topic.head, seq)

    def read(self, name: str, seq: int) -> None:
        """All up to `seq` has been read."""
        topic = self[name]
        topic.read = max(topic.read, seq)

    def gone(self, name: str, seq: int) -> None:
        """All up to `seq` is not there any more."""
        topic = self[name]
        topic.tail = max(topic.tail, seq)
        topic.head = max(topic.head, seq)

    def forget(self, name: str) -> None:
        """The topic was deleted."""
        self._topics.pop(name, None)

    def restart(self, name: str, read: int) -> None:
        """The topic begins anew after seq `read`."""
        topic = self[name]
        topic.head = topic.read = read
        topic.tail = 0

    def mute(self, name: str) -> bool:
        """Count its unread messages in no sum any more, or again; return which."""
        topic = self[name]
        topic.muted = not topic.muted
        return topic.muted

    @property
    def muted(self) -> list[str]:
        """The names of the muted topics, those that are not known to this broker too."""
        self._muted -= {topic.name for topic in self}
        self._muted |= {topic.name for topic in self if topic.muted}
        return sorted(self._muted)

    @property
    def unread(self) -> int:
        """How much is unread in all topics that are not muted."""
        return sum(topic.unread for topic in self if not topic.muted)

    @property
    def subscribed(self) -> int:
        """How many topics are subscribed to."""
        return sum(topic.shown_subscribed for topic in self)
