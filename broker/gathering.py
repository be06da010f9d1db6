"""What collects for a commit while the one before it is in flight.

Plain bookkeeping: messages by topic in the order they came, and for each session a ticket
by which it is answered.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, repeat

from broker.block import Block
from broker.store.errors import BatchOutdated
from broker.store.interface import Account, Batch, Commit, NewBlock, ProducerMark
from broker.topics import Topic
from protocol.frames import encode_bodies, split_bodies
from protocol.reasons import RequestRefused
from protocol.replies import RequestId

MESSAGE_OVERHEAD_BYTES = 64  # what a message costs in memory beside its text
RUN_OVERHEAD_BYTES = 300  # and what a run of them costs
MOST_RUNS = 400  # that one call appends for a producer: as often it may go from topic to topic
NOT_YET = datetime(1, 1, 1, tzinfo=UTC)  # the commit time of a block that is not on disk


@dataclass(slots=True, eq=False)
class TopicMessages:
    """The messages one commit appends to one topic."""

    topic: Topic
    messages: list[str] = field(default_factory=list)
    runs: list[tuple[Account, int]] = field(default_factory=list)  # who sent how many
    wholes: dict[int, int] = field(default_factory=dict)  # where a publish_many begins and ends
    first_seq: int = 0  # of the first message, once committed


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
    def first_seq(self) -> int:
        return self.appended.first_seq + self.offset

    def ids_between(self, first: int, end: int) -> list[int]:
        """Return the ids of a producer's publishes that lie at these offsets."""
        if self.whole:
            some = self.ids if first <= self.offset < end else []
        else:
            some = self.ids[max(first - self.offset, 0) : max(end - self.offset, 0)]
        return [request_id for request_id in some if isinstance(request_id, int)]


@dataclass(slots=True, eq=False)
class Ticket:
    """One session's share of a commit.

    `settle` is called once: with None when all is on disk, else with the reason why
    nothing of it was acknowledged.
    """

    settle: "Callable[[Ticket, RequestRefused | None], None]"
    runs: list[Run] = field(default_factory=list)
    size: int = 0  # bytes of memory its messages take
    producer: tuple[int, str] | None = None  # its account and name, where a producer sent them

    def names(self, outdated: BatchOutdated) -> bool:
        """Whether something of this is what a batch cannot be stored with."""
        return self.producer in outdated.producers or any(
            run.appended.topic.id in outdated.topics for run in self.runs
        )


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """How large a block may become; a single message may be larger than `size`.

    With `keep_whole` a publish_many lies in one block, however large that becomes: the store
    has no other way to store all of it or nothing.
    """

    count: int
    size: int  # bytes of bodies, and of e-mails where publishers differ
    keep_whole: bool = False


class Gathering:
    """One commit's worth of messages, tickets and producer marks."""

    def __init__(self, began: float) -> None:
        self.began = began  # when the first message came, on the loop's clock
        self.size = 0  # bytes of memory
        self.topics: dict[Topic, TopicMessages] = {}
        self.tickets: dict[object, Ticket] = {}  # by the session it belongs to
        self.marks: dict[tuple[int, str], ProducerMark] = {}
        self.settled = asyncio.Event()  # every ticket is
        self.known = asyncio.Event()  # whether it is stored

    def add(
        self,
        topic: Topic,
        account: Account,
        messages: list[str],
        ids: list[RequestId],
        whole: bool,
        ticket: Ticket,
    ) -> None:
        appended = self.topics.get(topic)
        if appended is None:
            appended = self.topics[topic] = TopicMessages(topic)
        ticket.runs.append(Run(appended, len(appended.messages), ids, whole))
        if whole:
            appended.wholes[len(appended.messages)] = len(appended.messages) + len(messages)
        appended.messages += messages
        appended.runs.append((account, len(messages)))
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
        for run in (run for ticket in everybody for run in ticket.runs):
            runs.setdefault(run.appended, []).append(run)
        dropped = {id(run) for ticket in gone for run in ticket.runs}
        for appended, ours in runs.items():
            _keep(appended, ours, dropped)
        self.topics = {topic: kept for topic, kept in self.topics.items() if kept.messages}
        return gone

    def blocks(self, limits: BlockLimits) -> list[Block]:
        """Return the blocks to write, topic by topic; their seqs are counted from 0."""
        return [block for appended in self.topics.values() for block in _cut(appended, limits)]

    def batch(self, batch_id: int, blocks: Sequence[Block], *, with_ids: bool = False) -> Batch:
        """Return what the store is asked to append; `with_ids`, where it keeps block by block."""
        ids = {
            account.email: account.id
            for appended in self.topics.values()
            for account, _ in appended.runs
        }
        topic_ids = {topic.name: topic.id for topic in self.topics}
        return Batch(
            batch_id,
            [
                NewBlock(
                    topic_ids[block.topic_name],
                    block.count,
                    [ids[email] for email in block.publishers],
                    block.bodies,
                    own_ids,
                )
                for block, own_ids in zip(
                    blocks, self._ids(blocks) if with_ids else repeat({}), strict=False
                )
            ],
            {topic.id: topic.head for topic in self.topics},
            [*self.marks.values()],
        )

    def _ids(self, blocks: Sequence[Block]) -> list[dict[tuple[int, str], list[int]]]:
        """Return for each of the blocks which publishes of producers are in it."""
        found: list[dict[tuple[int, str], list[int]]] = [{} for _ in blocks]
        places: dict[str, list[int]] = {}  # of a topic's blocks, which follow one another
        for place, block in enumerate(blocks):
            places.setdefault(block.topic_name, []).append(place)
        for ticket in self.tickets.values():
            for run in ticket.runs if ticket.producer is not None else ():
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


def _cut(appended: TopicMessages, limits: BlockLimits) -> Iterator[Block]:
    """Cut a topic's messages into blocks within `limits`."""
    bodies = encode_bodies(appended.messages)
    publishers = _publishers(appended.runs)
    count = len(appended.messages)
    several = len(publishers) > 1
    widest = max(_lengths(set(publishers))) if several else 0
    if count <= limits.count and len(bodies) + count * widest <= limits.size:
        yield _block(appended, 0, count, publishers, bodies)
        return
    start, lines = 0, split_bodies(bodies)
    units = _units(count, appended.wholes if limits.keep_whole else {})
    for end in _ends(lines, units, _lengths(publishers) if several else repeat(0), limits):
        some = publishers[start:end] if several else publishers
        yield _block(appended, start, end - start, some, b"".join(islice(lines, start, end)))
        start = end


def _ends(
    lines: list[bytes], units: Iterable[int], lengths: Iterable[int], limits: BlockLimits
) -> Iterator[int]:
    """Yield where each block ends, so that none is over `limits` unless it is one unit.

    `units` are the ends of what stays together; `lengths` those of the publishers' names, a
    message each.
    """
    sizes = (len(line) + length for line, length in zip(lines, lengths, strict=False))
    start = place = size = 0
    for end in units:
        own = sum(islice(sizes, end - place))
        if place > start and (end - start > limits.count or size + own > limits.size):
            yield place
            start, size = place, 0
        size += own
        place = end
    yield len(lines)


def _units(count: int, wholes: dict[int, int]) -> Iterator[int]:
    """Yield where each of `count` messages ends, those in `wholes` together."""
    place = 0
    while place < count:
        place = wholes.get(place, place + 1)
        yield place


def _lengths(emails: Collection[str]) -> list[int]:
    """Return how many bytes each takes in a line: escaped, in quotes and with its comma."""
    return [len(line) for line in split_bodies(encode_bodies([*emails]))]


def _publishers(runs: list[tuple[Account, int]]) -> list[str]:
    first = runs[0][0]
    if all(account is first or account.id == first.id for account, _ in runs):
        return [first.email]
    return [account.email for account, count in runs for _ in range(count)]


def _block(
    appended: TopicMessages, first: int, count: int, publishers: list[str], bodies: bytes
) -> Block:
    several = len(publishers) > 1 and any(email != publishers[0] for email in publishers)
    return Block(
        appended.topic.name,
        first,
        count,
        tuple(publishers) if several else (publishers[0],),
        NOT_YET,
        bodies,
    )
