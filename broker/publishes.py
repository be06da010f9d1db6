"""Publishes in the order they were asked for, and how they are handed on to the log."""

from dataclasses import dataclass, field

from broker.topics import Topic
from protocol.replies import RequestId

# A topic of its own costs a commit about as much as 16 messages do that lie in a row with
# others of their topic. Below these two it is cheaper to sort messages by topic than to keep
# for each of them where it goes, and a block a topic takes less room in the store.
MANY_TOPICS = 16
FEW_MESSAGES = 32

TopicRun = tuple[Topic, list[str], list[RequestId]]


@dataclass(slots=True, eq=False)
class Publishes:
    """Messages with their topics and the ids of their requests: lists in step, an entry each.

    Lists, because what belongs to one message or one topic alone would be an object that the
    garbage collector walks: with a topic a message that costs more than all the rest.
    `turns` counts how often they go on to another topic than the one before.
    """

    topics: list[Topic] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    ids: list[RequestId] = field(default_factory=list)
    turns: int = 0

    def __len__(self) -> int:
        return len(self.topics)

    @property
    def scattered(self) -> bool:
        """Whether they go to many topics, few to each."""
        if self.turns < MANY_TOPICS:
            return False
        topics = len({*self.topics})
        return topics >= MANY_TOPICS and len(self.topics) < FEW_MESSAGES * topics

    def by_topic(self) -> list[TopicRun]:
        """Return one run a topic, each in order."""
        if self.turns == 1:
            return [(self.topics[0], self.messages, self.ids)]
        runs: dict[Topic, TopicRun] = {}
        for topic, message, request_id in zip(self.topics, self.messages, self.ids, strict=True):
            run = runs.get(topic)
            if run is None:
                run = runs[topic] = topic, [], []
            run[1].append(message)
            run[2].append(request_id)
        return [*runs.values()]

    def in_order(self, most: int) -> list[TopicRun]:
        """Return a run a turn, in order: the first of them, `most` at most."""
        if self.turns == 1:
            return [(self.topics[0], self.messages, self.ids)]
        runs: list[TopicRun] = []
        newest: Topic | None = None
        for topic, message, request_id in zip(self.topics, self.messages, self.ids, strict=True):
            if topic is not newest:
                if len(runs) == most:
                    break
                newest = topic
                run: TopicRun = topic, [], []
                runs.append(run)
            run[1].append(message)
            run[2].append(request_id)
        return runs
