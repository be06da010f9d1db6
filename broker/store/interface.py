"""What the broker asks of a store, and the values that pass between them.

Every method raises `StoreLost` when the store does not answer; what was asked may then
have happened or not. Cancelling a call leaves the same two possibilities.

Several brokers may serve one store. An *epoch* tells a session from those before it: it is
given where the session begins, and what an older one asks for is not done, wherever it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from protocol.names import Role


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    email: str
    role: Role


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account and what its password is checked against, None where it has no password."""

    account: Account
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A topic. Messages up to `tail` have been taken out of it.

    Its creator's account is None where that is gone. No id is ever used again.
    """

    id: int
    name: str
    head: int
    created_at: datetime
    tail: int = 0
    creator_id: int | None = None


@dataclass(frozen=True, slots=True)
class TopicSummary:
    """A topic with what its subscriptions say of it.

    `behind` counts the subscriptions that have messages after their cursor, `unread` adds
    those up; what has been taken out counts no more. `published_at` is the time of the newest
    commit of which something is left, and `unread_since` that of the oldest message that a
    subscription has not confirmed.
    """

    record: TopicRecord
    published_at: datetime | None
    subscribers: int
    behind: int
    unread: int
    unread_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionRecord:
    topic: TopicRecord
    cursor: int


@dataclass(frozen=True, slots=True)
class NewBlock:
    """A run of messages to be appended to its topic.

    `publishers` holds one account where all are the same, else one per message. Where the
    store keeps block by block (`Store.block_bytes`), `ids` are those of the publishes in it of
    each producer, by account and name, in no order.
    """

    topic_id: int
    count: int
    publishers: Sequence[int]
    bodies: bytes
    ids: Mapping[tuple[int, str], Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scattered:
    """Messages to many topics, few to each, in the order they came.

    Arrays in step, an entry a message: its topic and its publisher. `bodies` are their JSON
    strings, each ended by a newline.
    """

    topic_ids: Sequence[int]
    publishers: Sequence[int]
    bodies: bytes


@dataclass(frozen=True, slots=True)
class ProducerMark:
    """What a producer's newest stored publish is, and which before it were refused.

    `refused` holds runs of ids, as first, last, first, last, ..., that were answered with an
    error: should one come again, it is a new publish and not a repeat. `epoch` is that of the
    session.
    """

    account_id: int
    producer: str
    last_id: int
    refused: tuple[int, ...] = ()
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class CursorMove:
    """A subscription's cursor goes to `seq`, says a session of its account."""

    account_id: int
    topic_id: int
    seq: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Batch:
    """All that one commit makes durable: together or not at all.

    `id` is unique among batches, so that it can be found out whether this one was stored.
    `heads` are the newest seqs the broker knew of the topics in `blocks`: a stored batch
    lies after them. No topic is both in `blocks` and in `scattered`, and that is given only to
    a store that `takes_scattered`.
    """

    id: int
    blocks: Sequence[NewBlock]
    heads: dict[int, int]
    producers: Sequence[ProducerMark] = ()
    scattered: Scattered | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """A batch is on disk: the first seq of each of its blocks, in their order, and when.

    `scattered_seqs` are those of its scattered messages, in their order.
    """

    first_seqs: Sequence[int]
    committed_at: datetime
    scattered_seqs: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block as it is read.

    `publishers` are e-mails, one where all are the same; "" is an account that is gone.
    """

    first_seq: int
    count: int
    publishers: tuple[str, ...]
    committed_at: datetime
    bodies: bytes


class Store(Protocol):
    """The catalogue, the log and the cursors."""

    async def open(self) -> None:
        """Make the store ready, bringing its schema up to date.

        Raises:
            StoreUnusable: a person has to do something first; nothing has been changed.
        """

    async def close(self) -> None:
        """Leave nothing running and no connection open."""

    # the catalogue

    async def create_account(
        self, email: str, role: Role, password_hash: str | None = None
    ) -> Account | None:
        """Return the new account, or None where `email` has one already."""

    async def find_account(self, email: str) -> Account | None: ...

    async def credentials(self, email: str) -> Credentials | None:
        """Return the account of `email` with its password's hash, or None where there is none."""

    async def set_password(self, account_id: int, password_hash: str) -> None:
        """Replace the account's password; the account is there."""

    async def delete_account(self, account_id: int) -> None:
        """Take out the account with its subscriptions and producers, if it is there.

        Its messages stay and have no publisher any more, its topics no creator. No append
        that names it may be under way or follow.
        """

    async def create_topic(self, name: str, creator_id: int) -> TopicRecord | None:
        """Return the new topic, or None where `name` is taken."""

    async def delete_topic(self, topic_id: int) -> None:
        """Take out the topic with its subscriptions and what is left of its blocks.

        No append that names it may be under way or follow.
        """

    async def topics(self) -> list[TopicRecord]:
        """Return all topics, oldest first."""

    async def summaries(self) -> list[TopicSummary]:
        """Return all topics, oldest first, with what their subscriptions say of them."""

    # sessions

    async def begin_session(self, account_id: int) -> int | None:
        """Return the epoch of a subscriber's session that begins, or None without an account.

        It is above that of every session before it, and from now on theirs counts no more.
        """

    async def begin_producer(self, account_id: int, producer: str) -> ProducerMark | None:
        """Return how far the producer has come, with the epoch of its session that begins.

        A new one has come to 0; None is returned where the account is gone. An append that
        carries an older epoch is in the log already, and in this mark, or never will be.
        """

    async def subscribe(self, account_id: int, topic_id: int, cursor: int, epoch: int) -> None:
        """Put the account's subscription at `cursor`, made where there is none.

        Raises:
            Superseded: `epoch` is not the newest.
            StoreRefused: there is no such topic any more.
        """

    async def unsubscribe(self, account_id: int, topic_id: int, epoch: int) -> bool:
        """Return whether there was a subscription to take away.

        Raises:
            Superseded: `epoch` is not the newest.
        """

    async def subscriptions(self, account_id: int) -> list[SubscriptionRecord]:
        """Return the account's subscriptions, oldest topic first."""

    async def receipts(self, topic_id: int, seq: int) -> tuple[int, int]:
        """Return how many subscriptions have a cursor at or past `seq`, and of how many."""

    # the log

    async def append(self, batch: Batch) -> Commit:
        """Append `batch` and return once it is on disk.

        Only one append of a broker is under way at a time. After `StoreLost` the same batch may
        be given again: it is then stored if it was not, and never twice.

        Raises:
            BatchOutdated: the batch was not stored; without what is named there it can be.
            StoreRefused: the batch was not stored and will not be.
        """

    async def find_commit(self, batch: Batch) -> Commit | None:
        """Return how `batch` was stored, or None where it was not and never will be.

        None also where that cannot be told any more, because another broker has taken its
        blocks out meanwhile, or where a store of several parts has only some of it.
        """

    async def read(
        self, topic_id: int, seq: int, limit_bytes: int, head: int = 0
    ) -> list[StoredBlock]:
        """Return the block that holds `seq` and those after it, without a gap, in order.

        At least one where there is one; no more once their bodies pass `limit_bytes`. `head` is
        how far the topic is known to go: what is not returned up to it has been taken out.
        """

    async def expired(
        self, older_than_s: float | None, more_than_bytes: int | None
    ) -> list[tuple[int, int]]:
        """Return the topics that keep too much, each with the seq up to which that is.

        Too much are blocks that were committed more than `older_than_s` ago, by the store's
        clock, and the oldest where a topic's bodies are more than `more_than_bytes`: but never
        those of its newest commit. Whole blocks, from the oldest on; None is no bound.
        """

    async def take_out(self, topic_id: int, up_to: int) -> int | None:
        """Take out the oldest blocks that end at `up_to` or before, a bounded number of them.

        Return the topic's new tail, or None where there are no such blocks. Blocks and tail
        change together.
        """

    # cursors

    async def save_cursors(self, moved: Sequence[CursorMove]) -> list[CursorMove]:
        """Move cursors forward; none is ever moved back.

        Return those that were not saved because their epoch is not the newest.
        """

    # other brokers

    @property
    def block_bytes(self) -> int | None:
        """How large the bodies of a block may be, once it is open; None is no bound.

        A store with a bound keeps a batch block by block: a crash can leave some of them.
        """

    @property
    def takes_scattered(self) -> bool:
        """Whether a batch may have scattered messages, which cost less than a block a topic."""

    @property
    def shared(self) -> bool:
        """Whether other brokers may serve this store too. It does not change once it is open."""

    def listen(self, heard: Callable[[str | None], None]) -> None:
        """Have `heard` called with the news that other brokers tell, from `open` to `close`.

        None is passed where some may have been missed. Said before `open`; `heard` does not
        raise, and returns soon.
        """

    async def tell(self, news: str) -> None:
        """Tell all brokers that listen, this one not excepted; `news` has at most 7,000 bytes.

        It is on its way when this returns, and may be lost.
        """
