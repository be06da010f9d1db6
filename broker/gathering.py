"""What collects for a commit while the one before it is in flight.

Plain bookkeeping: messages by topic in the order they came, and for each session a ticket
by which it is answered.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from broker.block import Block
from broker.publishes import FEW_MESSAGES, MANY_TOPICS, Publishes, TopicRun
from broker.scattering import NOTHING_SCATTERED, Page, ScatteredRun
from broker.store.errors import BatchOutdated
from broker.store.interface import Account, Batch, Commit, NewBlock, ProducerMark
from broker.topic_messages import BlockLimits, TopicMessages, cut
from broker.topics import Topic
from protocol.reasons import RequestRefused
from protocol.replies import RequestId

MESSAGE_OVERHEAD_BYTES = 64  # what a message costs in memory beside its text
RUN_OVERHEAD_BYTES = 300  # and what a run of them costs
MOST_RUNS = 400  # that one call appends for a producer: as often it may go from topic to topic


@dataclass(slots=True, eq=False)
class Run:
    """Publishes of one session that lie together in a topic's messages.

    `ids` are the requests' ids, one a message; one alone where the run is a publish_many.
    """

    appended: TopicMessages
    offset: int
    ids: list[RequestId]
    whole: bool  # answered by one reply, as a publish_many is

    @property
    def reply_seqs(self) -> range:
        """The seqs that answer its requests, once committed."""
        first_seq = self.appended.first_seq + self.offset
        return range(first_seq, first_seq + len(self.ids))

    def goes_to(self, topic_ids: Collection[int]) -> bool:
        """Whether it goes to one of these topics."""
        return self.appended.topic.id in topic_ids

    def ids_between(self, first: int, end: int) -> list[int]:
        """Return the ids of a producer's publishes that lie at these offsets."""
        if self.whole:
            some = self.ids if first <= self.offset < end else []
        else:
            some = self.ids[max(first - self.offset, 0) : max(end - self.offset, 0)]
        return [request_id for request_id in some if isinstance(request_id, int)]


@dataclass(slots=True, eq=False)
class Alternating:
    """Publishes that go from topic to topic, of which those to one topic are one run.

    `topics` and `ids` have an entry a message, in the order asked.
    """

    topics: list[Topic]
    ids: list[RequestId]
    runs: dict[Topic, Run | ScatteredRun]

    @property
    def reply_seqs(self) -> list[int]:
        """The seqs that answer its requests, once committed."""
        seqs = {topic: iter(run.reply_seqs) for topic, run in self.runs.items()}
        return [*map(next, map(seqs.__getitem__, self.topics))]


@dataclass(slots=True, eq=False)
class Ticket:
    """One session's share of a commit.

    `settle` is called once: with None when all is on disk, else with the reason why
    nothing of it was acknowledged.
    """

    settle: "Callable[[Ticket, RequestRefused | None], None]"
    asked: list[Run | ScatteredRun | Alternating] = field(default_factory=list)  # in order
    size: int = 0  # bytes of memory its messages take
    producer: tuple[int, str] | None = None  # its account and name, where a producer sent them

    @property
    def runs(self) -> list[Run | ScatteredRun]:
        """What its messages lie in."""
        found: list[Run | ScatteredRun] = []
        for asked in self.asked:
            found += asked.runs.values() if isinstance(asked, Alternating) else [asked]
        return found

    def names(self, outdated: BatchOutdated) -> bool:
        """Whether something of this is what a batch cannot be stored with."""
        return self.producer in outdated.producers or any(
            run.goes_to(outdated.topics) for run in self.runs
        )


class Gathering:
    """One commit's worth of messages, tickets and producer marks.

    Of a topic, what lies in `topics` came before what is scattered.
    """

    def __init__(self, began: float) -> None:
        self.began = began  # when the first message came, on the loop's clock
        self.size = 0  # bytes of memory
        self.topics: dict[Topic, TopicMessages] = {}
        self.scattered: list[ScatteredRun] = []  # in the order they came
        self._scattered_topics: set[Topic] = set()  # that are in there
        self.tickets: dict[object, Ticket] = {}  # by the session it belongs to
        self.marks: dict[tuple[int, str], ProducerMark] = {}
        self.settled = asyncio.Event()  # every ticket is
        self.known = asyncio.Event()  # whether it is stored

    def ticket(
        self, owner: object, settle: Callable[[Ticket, RequestRefused | None], None]
    ) -> Ticket:
        """Return the owner's ticket, made where it has none."""
        ticket = self.tickets.get(owner)
        if ticket is None:
            ticket = self.tickets[owner] = Ticket(settle)
        return ticket

    def add(
        self,
        topic: Topic,
        account: Account,
        messages: list[str],
        ids: list[RequestId],
        whole: bool,
        ticket: Ticket,
    ) -> None:
        """Add messages to one topic: `ids` has one entry alone where they are a `whole`."""
        ticket.asked.append(self._add((topic, messages, ids), account, whole, ticket))

    def _add(
        self, run: TopicRun, account: Account, whole: bool, ticket: Ticket
    ) -> Run | ScatteredRun:
        topic, messages, ids = run
        if topic in self._scattered_topics:  # which they come after
            return self._add_scattered(account, [topic] * len(messages), messages, ids, ticket)
        appended = self.topics.get(topic)
        if appended is None:
            appended = self.topics[topic] = TopicMessages(topic)
        made = Run(appended, len(appended.messages), ids, whole)
        if whole:
            appended.wholes[len(appended.messages)] = len(appended.messages) + len(messages)
        appended.messages += messages
        appended.runs.append((account, len(messages)))
        self._count(messages, ids, ticket)
        return made

    def add_alternating(self, publishes: Publishes, account: Account, ticket: Ticket) -> None:
        """Add messages that go from topic to topic."""
        runs = {run[0]: self._add(run, account, False, ticket) for run in publishes.by_topic()}
        ticket.asked.append(Alternating(publishes.topics, publishes.ids, runs))

    def add_scattered(self, publishes: Publishes, account: Account, ticket: Ticket) -> None:
        """Add messages to many topics, few to each."""
        self._scattered_topics.update(publishes.topics)
        topics, messages, ids = publishes.topics, publishes.messages, publishes.ids
        ticket.asked.append(self._add_scattered(account, topics, messages, ids, ticket))

    def _add_scattered(
        self,
        account: Account,
        topics: list[Topic],
        messages: list[str],
        ids: list[RequestId],
        ticket: Ticket,
    ) -> ScatteredRun:
        run = ScatteredRun(account, topics, messages, ids)
        self.scattered.append(run)
        self._count(messages, ids, ticket)
        return run

    def _count(self, messages: list[str], ids: list[RequestId], ticket: Ticket) -> None:
        size = RUN_OVERHEAD_BYTES + sum(map(len, messages))
        size += MESSAGE_OVERHEAD_BYTES * len(messages) + _text_bytes(ids)
        ticket.size += size
        self.size += size

    def mark(self, mark: ProducerMark, ticket: Ticket) -> None:
        """Remember how far a producer has come, together with the messages of `ticket`."""
        ticket.producer = mark.account_id, mark.producer
        self.marks[ticket.producer] = mark

    def take_out(self, outdated: BatchOutdated) -> list[Ticket]:
        """Take out and return the tickets that name what is outdated, with their messages.

        The messages of the others keep their order.
        """
        everybody = [*self.tickets.values()]
        gone = [ticket for ticket in everybody if ticket.names(outdated)]
        for ticket in gone:
            if ticket.producer is not None:
                self.marks.pop(ticket.producer, None)
        self.tickets = {
            owner: ticket for owner, ticket in self.tickets.items() if ticket not in gone
        }
        runs: dict[TopicMessages, list[Run]] = {}
        for run in (run for ticket in everybody for run in ticket.runs if isinstance(run, Run)):
            runs.setdefault(run.appended, []).append(run)
        dropped = {id(run) for ticket in gone for run in ticket.runs}
        for appended, ours in runs.items():
            _keep(appended, ours, dropped)
        self.topics = {topic: kept for topic, kept in self.topics.items() if kept.messages}
        self.scattered = [run for run in self.scattered if id(run) not in dropped]
        self._scattered_topics = {topic for run in self.scattered for topic in run.topics}
        return gone

    def page(self) -> Page:
        """Return what is stored without blocks, by a store that takes scattered messages.

        That is all that goes to a topic which is among the scattered ones. Where many other
        topics have few messages each, those go with it: a block for each would cost more.
        """
        few = [one for one in self.topics.values() if len(one.messages) < FEW_MESSAGES]
        if len(few) < MANY_TOPICS:
            few = []
        before = [one for topic, one in self.topics.items() if topic in self._scattered_topics]
        return Page([*dict.fromkeys(before + few)], self.scattered)

    def blocks(self, limits: BlockLimits, page: Page = NOTHING_SCATTERED) -> list[Block]:
        """Return the blocks to write, topic by topic: of all that is not in `page`.

        Their seqs are counted from 0.
        """
        return [block for appended in self._beside(page) for block in cut(appended, limits)]

    def _beside(self, page: Page) -> Collection[TopicMessages]:
        if not page.gathered:
            return self.topics.values()
        return [one for topic, one in self.topics.items() if topic not in page.gathered]

    def batch(
        self,
        batch_id: int,
        blocks: Sequence[Block],
        page: Page = NOTHING_SCATTERED,
        *,
        with_ids: bool = False,
    ) -> Batch:
        """Return what the store is asked to append; `with_ids`, where it keeps block by block."""
        beside = self._beside(page)
        ids = {account.email: account.id for appended in beside for account, _ in appended.runs}
        topic_ids = {appended.topic.name: appended.topic.id for appended in beside}
        return Batch(
            batch_id,
            [
                NewBlock(
                    topic_ids[block.topic_name],
                    block.count,
                    [*map(ids.__getitem__, block.publishers)],
                    block.bodies,
                    own_ids,
                )
                for block, own_ids in zip(
                    blocks, self._ids(blocks) if with_ids else repeat({}), strict=False
                )
            ],
            {appended.topic.id: appended.topic.head for appended in beside},
            [*self.marks.values()],
            page.scattered(),
        )

    def _ids(self, blocks: Sequence[Block]) -> list[dict[tuple[int, str], list[int]]]:
        """Return for each of the blocks which publishes of producers are in it."""
        found: list[dict[tuple[int, str], list[int]]] = [{} for _ in blocks]
        places: dict[str, list[int]] = {}  # of a topic's blocks, which follow one another
        for place, block in enumerate(blocks):
            places.setdefault(block.topic_name, []).append(place)
        for ticket in self.tickets.values():
            for run in ticket.runs if ticket.producer is not None else ():
                assert isinstance(run, Run)  # no such store takes scattered messages
                for place in places[run.appended.topic.name]:
                    first = blocks[place].first_seq
                    ids = run.ids_between(first, first + blocks[place].count)
                    if ids:
                        assert ticket.producer is not None
                        found[place].setdefault(ticket.producer, []).extend(ids)
        return found

    def committed(self, blocks: Sequence[Block], commit: Commit) -> Iterator[tuple[Topic, Block]]:
        """Give the blocks and the runs their seqs; yield the blocks, in order by topic."""
        by_name = {topic.name: appended for topic, appended in self.topics.items()}
        for block, first_seq in zip(blocks, commit.first_seqs, strict=True):
            appended = by_name[block.topic_name]
            if block.first_seq == 0:
                appended.first_seq = first_seq
            block.first_seq = first_seq
            block.committed_at = commit.committed_at
            yield appended.topic, block


def _keep(appended: TopicMessages, runs: list[Run], dropped: set[int]) -> None:
    """Leave in `appended`, which came in `runs`, what is not of the runs that are dropped."""
    messages: list[str] = []
    senders: list[tuple[Account, int]] = []
    appended.wholes = {}
    runs.sort(key=lambda run: run.offset)
    for run, (account, count) in zip(runs, appended.runs, strict=True):
        if id(run) not in dropped:
            part = appended.messages[run.offset : run.offset + count]
            run.offset = len(messages)
            messages += part
            if run.whole:
                appended.wholes[run.offset] = len(messages)
            senders.append((account, count))
    appended.messages, appended.runs = messages, senders


def _text_bytes(ids: list[RequestId]) -> int:
    """Return what those of `ids` take that are strings, of which there are mostly none."""
    if str not in set(map(type, ids)):
        return 0
    return sum(MESSAGE_OVERHEAD_BYTES + len(one) for one in ids if isinstance(one, str))
