"""From the client to the feed, and back: messages one way, how far they are read the other."""

import asyncio
from collections.abc import Callable, Mapping

from app.feed import DividerRow, FeedView
from app.subscriber.rates import Rates
from app.subscriber.timeline import Timeline
from app.subscriber.topics import Topics
from clients import Gap, Message, Phase, SessionEnded, Subscriber

MOST_PENDING = 20_000  # rows that wait for the feed; until then nothing more is read
ASK_AGAIN_S = 2.0  # how long a new topic may be unknown


class Receiving:
    """Puts what the client receives into the feed, and keeps the books on it.

    Confirms, by topic, up to where the reader has seen every message. What was never on the
    screen stays unread at the broker and comes again next time, unless the reader says that
    all is read.
    """

    def __init__(
        self, client: Subscriber, feed: FeedView, topics: Topics, clock: Callable[[], str]
    ) -> None:
        self.rates = Rates()
        self.known = False  # the broker has told which topics there are
        self._client = client
        self._feed = feed
        self._topics = topics
        self._timeline = Timeline(clock, anew=self._begins_anew, elsewhere=topics.read)
        self._backlog: Mapping[str, range] | None = None  # of the newest sign-in
        self._caught_up = True  # and all that was waiting is in the feed
        self._room = asyncio.Event()
        client.on_gap = self._tell_gap
        client.on_topic_deleted = self._tell_deleted

    # what comes

    async def receive(self) -> None:
        """Take in messages until the session ends, no faster than the feed does."""
        try:
            async for messages in self._client.blocks():
                self._take(messages)
                while self._feed.pending > MOST_PENDING:
                    self._room.clear()
                    await self._room.wait()
        except SessionEnded:
            return  # the client's state says so, and why

    async def learn_topics(self, learned: Callable[[], None]) -> None:
        """Ask which topics there are, again and again: nothing tells of new ones.

        Not while much is waiting: the answer would come behind all of it.
        """
        while not self.over:
            if not self.known or (self._timeline.caught_up and not self._feed.pending):
                try:
                    self._topics.learn(await self._client.topics())
                except SessionEnded:
                    return
                self.known = True
                learned()
            await asyncio.sleep(ASK_AGAIN_S)

    def go_on(self) -> None:
        """The feed has taken something in."""
        self._room.set()

    def _take(self, messages: list[Message]) -> None:
        topic = messages[0].topic
        self.signed_in()
        self._feed.add(self._timeline.rows(messages))
        self._topics.came(topic, messages[-1].seq)
        self.rates.count(topic, len(messages))

    def _tell_gap(self, gap: Gap) -> None:
        self.signed_in()
        self._feed.add(self._timeline.gap(gap))
        self._topics.gone(gap.topic, gap.last_seq)

    def _tell_deleted(self, topic: str) -> None:
        self._feed.add([*self._timeline.forget(topic), DividerRow(f"{topic}: was deleted", topic)])
        self._feed.restart(topic)
        self._topics.forget(topic)

    def _begins_anew(self, topic: str, read: int) -> None:
        self._feed.restart(topic)
        self._topics.restart(topic, read)

    # how the connection stands

    @property
    def over(self) -> bool:
        """Whether the session has ended for good."""
        return self._client.state.phase in (Phase.CLOSED, Phase.REFUSED)

    def lost(self) -> None:
        """The connection is gone."""
        self._timeline.lost()

    def signed_in(self) -> None:
        """There is a connection; calling it again for the same one changes nothing."""
        if self._backlog is None:
            for topic, seqs in self._client.backlog.items():
                self._topics[topic].subscribed = True
                self._topics.read(topic, seqs.start - 1)
        if self._backlog is not self._client.backlog:
            self._backlog = self._client.backlog
            self._feed.add(self._timeline.begin(self._backlog))

    @property
    def progress(self) -> tuple[int, int]:
        """How much has come into the feed of what was waiting at the broker, and of how much."""
        timeline, pending = self._timeline, self._feed.pending
        self._caught_up = timeline.caught_up and (self._caught_up or not pending)
        if self._caught_up:
            return timeline.expected, timeline.expected
        return max(min(timeline.came, timeline.expected - pending), 0), timeline.expected

    # what is subscribed to

    def expect_all(self, topic: str, words: str) -> None:
        """All stored messages of `topic` come now; `words` introduce them."""
        self._topics[topic].read = 0
        known = self._topics[topic]
        self._timeline.expect(topic, range(known.tail + 1, known.head + 1), words)

    def forget(self, topic: str) -> None:
        """What has come of `topic` counts no more; what comes of it begins anew."""
        self._feed.add(self._timeline.forget(topic))
        self._feed.restart(topic)
        self._topics[topic].read = self._topics[topic].head

    def begins_after(self, topic: str, seq: int) -> None:
        """The new subscription to `topic` begins after `seq`."""
        self._topics.came(topic, seq)
        self._topics.read(topic, seq)

    # what is read

    def confirm(self, positions: Mapping[str, int]) -> None:
        """All up to these seqs, by topic, has been seen."""
        if self.over:
            return  # the broker cannot be told, so it is not so
        for topic, seq in positions.items():
            self._client.confirm(topic, seq)
            self._topics.read(topic, seq)
