"""Publishes in the order they were asked for, and how they are handed on to the log."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.topics import Topic
from protocol.replies import RequestId
from protocol.requests import PublishMsg

# A topic's lists and its block cost a commit as much as ten messages do. With fewer topics than
# this that is little in all, with more messages to each it is little beside them; and a block
# a topic takes less room in the store.
MANY_TOPICS = 16
FEW_MESSAGES = 32

TopicRun = tuple[Topic, list[str], list[RequestId]]


@dataclass(slots=True, eq=False)
class Publishes:
    """Requests with the topics they go to: two lists in step.

    `turns` counts how often they go on to another topic than that of the one before.
    """

    topics: list[Topic] = field(default_factory=list)
    requests: Sequence[PublishMsg] = ()
    turns: int = 0

    @property
    def messages(self) -> list[str]:
        return [request.msg for request in self.requests]

    @property
    def ids(self) -> list[RequestId]:
        return [request.id for request in self.requests]

    @property
    def scattered(self) -> bool:
        """Whether they go to many topics, few to each."""
        if self.turns < MANY_TOPICS:
            return False
        topics = len({*self.topics})
        return topics >= MANY_TOPICS and len(self.topics) < FEW_MESSAGES * topics

    def by_topic(self) -> list[TopicRun]:
        """Return one run a topic, each in order."""
        sorted_: defaultdict[Topic, list[PublishMsg]] = defaultdict(list)
        for topic, request in zip(self.topics, self.requests, strict=True):
            sorted_[topic].append(request)
        return [
            (topic, [request.msg for request in own], [request.id for request in own])
            for topic, own in sorted_.items()
        ]

    def in_order(self, most: int) -> list[TopicRun]:
        """Return a run a turn, in order: the first of them, `most` at most."""
        if self.turns == 1:
            return [(self.topics[0], self.messages, self.ids)]
        runs: list[TopicRun] = []
        newest: Topic | None = None
        messages: list[str] = []
        ids: list[RequestId] = []
        for topic, request in zip(self.topics, self.requests, strict=True):
            if topic is not newest:
                if len(runs) == most:
                    break
                newest, messages, ids = topic, [], []
                runs.append((topic, messages, ids))
            messages.append(request.msg)
            ids.append(request.id)
        return runs
