"""What a broker tells of itself: plain values, made at one moment."""

from dataclasses import dataclass, field
from enum import StrEnum

from protocol.names import Role


class Condition(StrEnum):
    """What a client can expect just now."""

    SERVING = "serving"
    LOW_DISK = "disk low"  # publishes are refused, reading works
    STORE_SILENT = "store silent"  # publishes wait for PostgreSQL
    STORE_REFUSES = "store refuses"  # the newest commit was not taken, and lately none was
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """A topic. What `live` does not count is a few seconds old, and None while not known."""

    name: str
    head: int
    live: int  # signed-in subscriptions at the head
    subscriptions: int | None = None
    unread: int | None = None  # of all subscriptions
    oldest_unread_s: float | None = None  # since the commit of the oldest message unread; 0: none


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """A connection and who is signed in on it; `account` is "" while nobody is."""

    number: int  # no other connection has it
    account: str
    role: Role | None
    topics: int  # whose messages it is sent
    queued_bytes: int  # written and not taken by the kernel
    behind: int  # messages that are stored and not written yet
    idle_s: float  # since bytes last went either way, as far as snapshots can tell
    slow: bool = False  # over the high-water mark: nothing is written until it reads
    unread: int = 0  # stored and not confirmed, in all of its topics
    received_bytes: int = 0
    written_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CursorFigures:
    """A signed-in subscription: always confirmed <= sent <= head."""

    account: str
    topic: str
    confirmed: int
    sent: int
    head: int


@dataclass(frozen=True, slots=True)
class TopicDetail:
    figures: TopicFigures
    cursors: tuple[CursorFigures, ...]


@dataclass(frozen=True, slots=True)
class SessionDetail:
    figures: SessionFigures
    peer: str
    version: int
    last_refusal: str
    cursors: tuple[CursorFigures, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A broker at one moment. What counts something counts from the start.

    `topics` and `sessions` hold the busiest where there are too many; `topic_count` and
    `connections` count all.
    """

    at_s: float  # on the loop's clock
    up_s: float
    condition: Condition
    trouble: str  # what a publisher is told, "" where all is well

    messages_in: int  # stored
    messages_out: int  # handed to connections, once for each of them
    bytes_in: int
    bytes_out: int
    commits: int
    refusals: int
    ack_p50_s: float | None  # of the last minute, from the first message of a commit on
    ack_p99_s: float | None

    connections: int
    publishers: int
    subscribers: int
    slow: int
    topic_count: int
    stored: int  # messages in all topics
    unread: int | None  # of all subscriptions, a few seconds old

    data_bytes: int | None = None  # of the data directory
    free_bytes: int | None = None  # on its disk
    turned_away: int = 0  # connections, at the door
    refused_sign_ins: int = 0
    cache_bytes: int = 0
    others: int = 0  # brokers on the same store
    oldest_unread_s: float | None = None  # of all topics
    topics: tuple[TopicFigures, ...] = field(default=())
    sessions: tuple[SessionFigures, ...] = field(default=())
