"""What lies in the table `journal`, in memory: messages that are on disk, and not in blocks yet.

A commit that goes to many topics is a *page* there, a row of messages as they came. In blocks,
a row a topic, it would cost twenty times as much. A topic's messages are first in blocks and
from one seq on in the journal: while it has some there, all its new ones go there too. So a
message in the journal counts as long as its seq is above its topic's head in the table `topics`,
and the blocks of a topic never lie above messages of the journal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from broker.store.errors import BatchOutdated
from broker.store.interface import Batch, Commit, NewBlock, Scattered
from broker.store.postgres.packed import microseconds, packed, unpacked
from broker.store.postgres.parts import Part
from protocol.frames import one_or_each, split_bodies

# Looked through for one read that has found something: a page takes a quarter of a millisecond.
PAGES_A_READ = 20

Entry = tuple[int, int, int, bytes]  # topic, seq, publisher, body


@dataclass(slots=True, eq=False)
class Page:
    """One row of the journal; it is on disk once it has a time."""

    number: int
    batch: int
    topics: bytes
    seqs: bytes
    publishers: bytes
    bodies: bytes
    committed_at: datetime | None = None
    _places: dict[int, list[int]] | None = field(default=None, init=False)

    @property
    def looked_through(self) -> bool:
        """Whether it is known where the messages of a topic are."""
        return self._places is not None

    @property
    def size(self) -> int:
        return len(self.topics) + len(self.seqs) + len(self.publishers) + len(self.bodies)

    def entries(self) -> Iterator[Entry]:
        numbers = map(unpacked, (self.topics, self.seqs, self.publishers))
        return zip(*numbers, split_bodies(self.bodies), strict=True)

    def part(self, topic_id: int, seq: int) -> Part | None:
        """Return the messages of a topic from `seq` on that are here, which follow one another."""
        places = self._places_of(topic_id)
        if not places:
            return None
        seqs = unpacked(self.seqs)
        places = [place for place in places if seqs[place] >= seq]
        if not places:
            return None
        publishers, lines = unpacked(self.publishers), split_bodies(self.bodies)
        assert self.committed_at is not None
        return Part(
            seqs[places[0]],
            len(places),
            one_or_each([publishers[place] for place in places]),
            self.committed_at,
            b"".join(lines[place] for place in places),
        )

    def _places_of(self, topic_id: int) -> list[int]:
        """Return where the topic's messages are; the first call looks through the page."""
        if self._places is None:
            self._places = {}
            for place, topic in enumerate(unpacked(self.topics)):
                self._places.setdefault(topic, []).append(place)
        return self._places.get(topic_id, [])


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the messages of a batch go: blocks with their first seqs, and a page.

    `heads` are those of its topics afterwards.
    """

    batch: Batch
    blocks: Sequence[tuple[NewBlock, int]]
    page: Page | None
    heads: dict[int, int]
    first_seqs: Sequence[int]
    scattered_seqs: Sequence[int]

    def commit(self, committed_at: datetime) -> Commit:
        return Commit(self.first_seqs, committed_at, self.scattered_seqs)


@dataclass(slots=True)
class _Draft:
    """A page that is being made, in step."""

    topics: list[int] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    publishers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def add_block(self, block: NewBlock, first_seq: int) -> None:
        several = len(block.publishers) > 1
        self.topics += [block.topic_id] * block.count
        self.seqs += range(first_seq, first_seq + block.count)
        self.publishers += block.publishers if several else [*block.publishers] * block.count
        self.bodies.append(block.bodies)

    def add_scattered(self, few: Scattered, heads: dict[int, int]) -> list[int]:
        """Move the heads on, a message each, and return the seqs."""
        seqs = []
        for topic in few.topic_ids:
            heads[topic] = seq = heads[topic] + 1
            seqs.append(seq)
        self.topics += few.topic_ids
        self.seqs += seqs
        self.publishers += few.publishers
        self.bodies.append(few.bodies)
        return seqs

    def page(self, number: int, batch: int) -> Page:
        numbers = packed(self.topics), packed(self.seqs), packed(self.publishers)
        return Page(number, batch, *numbers, b"".join(self.bodies))


@dataclass(slots=True, eq=False)
class Moved:
    """Messages of a topic that are being moved from the journal to a block, in step."""

    topic_id: int
    first_seq: int
    publishers: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # in microseconds since 1970
    lines: list[bytes] = field(default_factory=list)
    batch: int = 0  # of the newest
    size: int = 0  # bytes of bodies

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.lines) - 1

    def part(self, first: int, end: int) -> "Moved":
        """Return those of its messages, counted from 0."""
        lines = self.lines[first:end]
        return Moved(
            self.topic_id,
            self.first_seq + first,
            self.publishers[first:end],
            self.times[first:end],
            lines,
            self.batch,
            sum(map(len, lines)),
        )


class Journal:
    """The journal's pages, and the heads of all topics as they are on disk."""

    def __init__(self) -> None:
        self.heads: dict[int, int] = {}
        self.pages: list[Page] = []
        self.size = 0  # bytes
        self._first: dict[int, int] = {}  # the first seq that is not in blocks, of who has one
        self._next = 1  # page

    def load(self, heads: Iterable[tuple[int, int]], pages: Sequence[Page]) -> None:
        """Begin with the heads and the pages that are in the tables, those in order."""
        self.heads.update(heads)
        for page in pages:
            for topic, seq, _, _ in page.entries():
                if seq > self.heads.get(topic, seq):
                    self._first.setdefault(topic, seq)
                    self.heads[topic] = seq
            self._keep(page)

    def holds(self, topic_id: int, seq: int | None = None) -> bool:
        """Whether it has messages of the topic, or that one, that are not in blocks."""
        first = self._first.get(topic_id)
        return first is not None and (seq is None or seq >= first)

    def topics(self) -> list[int]:
        """Return the topics of which it has messages that are not in blocks."""
        return [*self._first]

    def plan(self, batch: Batch) -> Plan:
        """Say where the messages of `batch` go. Nothing has changed until it is `stored`.

        Raises:
            BatchOutdated: there are no such topics.
        """
        heads, draft = self._known(batch), _Draft()
        blocks, first_seqs = [], []
        for block in batch.blocks:
            first_seq = heads[block.topic_id] + 1
            first_seqs.append(first_seq)
            heads[block.topic_id] += block.count
            if block.topic_id in self._first:
                draft.add_block(block, first_seq)
            else:
                blocks.append((block, first_seq))
        few = batch.scattered
        scattered_seqs = draft.add_scattered(few, heads) if few is not None else []
        page = draft.page(self._next, batch.id) if draft.topics else None
        return Plan(batch, blocks, page, heads, first_seqs, scattered_seqs)

    def _known(self, batch: Batch) -> dict[int, int]:
        """Return the topics of `batch` with their heads."""
        topics = {block.topic_id for block in batch.blocks}
        if batch.scattered is not None:
            topics.update(batch.scattered.topic_ids)
        heads = self.heads
        try:
            return {topic: heads[topic] for topic in topics}
        except KeyError:
            gone = frozenset(topic for topic in topics if topic not in heads)
            raise BatchOutdated(gone, frozenset()) from None

    def stored(self, plan: Plan, committed_at: datetime) -> None:
        """Take note that the batch of `plan`, which was the newest one, is on disk."""
        heads, first = self.heads, self._first
        if plan.page is not None:
            direct = {block.topic_id for block, _ in plan.blocks}
            # Not by taking sets from each other, which would look at all topics there are.
            for topic in plan.heads:
                if topic not in first and topic not in direct:
                    first[topic] = heads[topic] + 1
            plan.page.committed_at = committed_at
            self._keep(plan.page)
        heads.update(plan.heads)

    def _keep(self, page: Page) -> None:
        self.pages.append(page)
        self.size += page.size
        self._next = page.number + 1

    def read(self, topic_id: int, seq: int, limit_bytes: int) -> list[Part] | None:
        """Return the messages from `seq` on, or None where that one is in a block.

        No more once their bodies pass `limit_bytes`, or where it would take long to find more.
        """
        first = self._first.get(topic_id)
        if first is None or seq < first:
            return None
        found: list[Part] = []
        looked_through = 0
        for page in self.pages:
            looked_through += not page.looked_through
            if found and looked_through > PAGES_A_READ:
                break
            part = page.part(topic_id, seq)
            if part is not None:
                found.append(part)
                limit_bytes -= len(part.bodies)
                if limit_bytes <= 0:
                    break
        return found

    def moving(self, page: Page, moved: dict[int, Moved]) -> None:
        """Add to `moved` what of `page` is not in blocks; pages are given in order, once each."""
        assert page.committed_at is not None
        first, time = self._first, microseconds(page.committed_at)
        for topic, seq, publisher, line in page.entries():
            one = moved.get(topic)
            if one is None:
                if seq < first.get(topic, seq + 1):
                    continue
                one = moved[topic] = Moved(topic, seq)
            one.publishers.append(publisher)
            one.times.append(time)
            one.lines.append(line)
            one.size += len(line)  # now that it is in the processor's cache
            one.batch = page.batch

    def in_blocks(self, moved: Iterable[Moved]) -> None:
        """Take note that these are in blocks now."""
        self.in_blocks_up_to({one.topic_id: one.last_seq for one in moved})

    def in_blocks_up_to(self, seqs: Mapping[int, int]) -> None:
        """Take note that messages of topics are in blocks, up to a seq of each."""
        for topic, seq in seqs.items():
            if topic not in self._first:
                continue  # deleted meanwhile
            if self.heads[topic] > seq:
                self._first[topic] = seq + 1
            else:
                del self._first[topic]

    def drop(self, pages: Sequence[Page]) -> None:
        """Forget the oldest pages, all of whose messages are in blocks."""
        del self.pages[: len(pages)]
        self.size -= sum(page.size for page in pages)

    def know(self, topic_id: int, head: int) -> int:
        """There is such a topic, which the table says has `head`; return its head."""
        return self.heads.setdefault(topic_id, head)

    def deleted(self, topic_id: int) -> None:
        self.heads.pop(topic_id, None)
        self._first.pop(topic_id, None)
