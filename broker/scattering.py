"""Messages of one commit that go to many topics, few to each.

To give each of their topics lists and a block of its own costs many times what the messages
themselves do, so they are kept and stored in lists that go over all of them.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from broker.block import Block
from broker.store.interface import Account, Commit, Scattered
from broker.topic_messages import BlockLimits, TopicMessages, cut
from broker.topics import Topic
from protocol.frames import encode_bodies
from protocol.replies import RequestId


@dataclass(slots=True, eq=False)
class ScatteredRun:
    """Publishes of one session to any topics, in order: lists in step, an entry a message.

    `ids` has one entry alone where the run is a publish_many, which one reply answers.
    """

    account: Account
    topics: list[Topic]
    messages: list[str]
    ids: list[RequestId]
    seqs: Sequence[int] = ()  # of the messages, once committed

    @property
    def reply_seqs(self) -> Sequence[int]:
        """The seqs that answer its requests, once committed."""
        return self.seqs if len(self.seqs) == len(self.ids) else self.seqs[:1]

    def goes_to(self, topic_ids: Collection[int]) -> bool:
        """Whether something of it goes to one of these topics."""
        return any(topic.id in topic_ids for topic in self.topics)


class Page:
    """The scattered messages of a commit, in order: what was `gathered` by topic, then `runs`.

    No topic of theirs has messages in blocks of the same commit.
    """

    def __init__(self, gathered: Sequence[TopicMessages], runs: Sequence[ScatteredRun]) -> None:
        self._gathered = gathered
        self._runs = runs
        self.gathered = {appended.topic for appended in gathered}
        self._topics: list[Topic] = []  # an entry a message, as in the next
        self._messages: list[str] = []
        self._senders: list[tuple[Account, int]] = []  # who sent how many
        for appended in gathered:
            self._topics += repeat(appended.topic, len(appended.messages))
            self._messages += appended.messages
            self._senders += appended.runs
        for run in runs:
            self._topics += run.topics
            self._messages += run.messages
            self._senders.append((run.account, len(run.messages)))

    def __len__(self) -> int:
        return len(self._messages)

    def scattered(self) -> Scattered | None:
        """Return what the store is asked to append, or None where there is nothing."""
        if not self._messages:
            return None
        senders = (repeat(account.id, count) for account, count in self._senders)
        return Scattered(
            [topic.id for topic in self._topics],
            [*chain.from_iterable(senders)],
            encode_bodies(self._messages),
        )

    def committed(self, commit: Commit, limits: BlockLimits) -> Iterator[tuple[Topic, Block]]:
        """Give the runs their seqs; yield the blocks of the topics that somebody is live on.

        In order by topic. The heads of the other topics move: nobody has to be sent anything,
        and who comes later reads it from the store.
        """
        seqs = commit.scattered_seqs
        self._number(seqs)
        listened_to: set[Topic] = set()
        for topic, seq in zip(self._topics, seqs, strict=True):
            if topic.live:
                listened_to.add(topic)
            elif topic.head < seq:
                topic.head = seq
        if listened_to:
            yield from self._blocks(listened_to, commit, limits)

    def _number(self, seqs: Sequence[int]) -> None:
        """Give what the page is made of its seqs; those of one topic follow one another."""
        place = 0
        for appended in self._gathered:
            appended.first_seq = seqs[place]
            place += len(appended.messages)
        for run in self._runs:
            run.seqs = seqs[place : place + len(run.messages)]
            place += len(run.messages)

    def _blocks(
        self, topics: set[Topic], commit: Commit, limits: BlockLimits
    ) -> Iterator[tuple[Topic, Block]]:
        for appended in self._sorted(topics, commit.scattered_seqs):
            for block in cut(appended, limits):
                block.first_seq += appended.first_seq
                block.committed_at = commit.committed_at
                yield appended.topic, block

    def _sorted(self, topics: set[Topic], seqs: Sequence[int]) -> Collection[TopicMessages]:
        """Return the messages of `topics` by topic."""
        found: dict[Topic, TopicMessages] = {}
        senders = chain.from_iterable(repeat(account, count) for account, count in self._senders)
        rows = zip(self._topics, self._messages, senders, seqs, strict=True)
        for topic, message, account, seq in rows:
            if topic in topics:
                appended = found.get(topic)
                if appended is None:
                    appended = found[topic] = TopicMessages(topic, first_seq=seq)
                appended.messages.append(message)
                appended.runs.append((account, 1))
        return found.values()


NOTHING_SCATTERED = Page((), ())
