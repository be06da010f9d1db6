"""What a broker can tell of itself, gathered when somebody asks.

Nothing is counted here: each part of the broker counts its own, a block or a chunk at a time.
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from heapq import nlargest
from pathlib import Path

from broker.connection import Connection
from broker.cursor import Cursor
from broker.disk import free_bytes
from broker.door import Door
from broker.hub import Hub
from broker.lookout import Lookout
from broker.snapshot import (
    Condition,
    CursorFigures,
    SessionDetail,
    SessionFigures,
    Snapshot,
    TopicDetail,
    TopicFigures,
)
from broker.store.errors import StoreError
from broker.store.interface import Account, TopicSummary
from broker.topics import Topic
from protocol.names import Role
from protocol.reasons import Reason

PAUSE_S = 2.0  # between two looks at the store and the disk
ASKER = "to look at it"
NOBODY = "nobody@localhost"  # whose account is looked for, to see whether the store answers
PROBE_LIMIT_S = 2.0
SHARE = 20  # a look that took long is followed by a pause this many times as long
STORE_LIMIT_S = 5.0
DISK_LIMIT_S = 5.0
DETAIL_LIMIT = 100  # cursors that are told of one topic or session

_logger = logging.getLogger("pubsub.broker")


@dataclass(slots=True)
class _Seen:
    """What is remembered of a connection from one snapshot to the next."""

    number: int
    moved_bytes: int
    moved_at: float


class Census:
    """Knows every connection of a broker, and how it was at the start.

    The store and the disk are looked at every few seconds, and only while there are
    snapshots being asked for.
    """

    def __init__(self, hub: Hub, door: Door, data_dir: Path | None) -> None:
        self._hub = hub
        self._door = door
        self._disk = None if data_dir is None else Lookout(partial(_sizes, data_dir))
        self._began = asyncio.get_running_loop().time()
        self._heads = {topic: topic.head for topic in hub.topics}  # at the start
        self._seen: dict[Connection, _Seen] = {}
        self._numbers = 0
        self._received = self._written = 0  # by connections that are gone
        self._asked = asyncio.Event()
        self._summaries: dict[str, TopicSummary] | None = None
        self._question: asyncio.Task[Account | None] | None = None
        self._closed = False
        self._data_bytes: int | None = None
        self._free_bytes: int | None = None

    # what the broker tells

    def add(self, connection: Connection) -> None:
        self._numbers += 1
        now = asyncio.get_running_loop().time()
        self._seen[connection] = _Seen(self._numbers, 0, now)

    def forget(self, connection: Connection) -> None:
        if self._seen.pop(connection, None) is not None:
            self._received += connection.received
            self._written += connection.written

    # what is asked

    def snapshot(self, rows: int) -> Snapshot:
        """Return the broker as it is, with the `rows` busiest topics and sessions."""
        self._asked.set()
        hub, log = self._hub, self._hub.log
        now = asyncio.get_running_loop().time()
        p50, p99 = log.latencies.percentiles([0.5, 0.99], now)
        topics = [*hub.topics]
        roles = [one.session.account.role for one in self._seen if one.session.account]
        return Snapshot(
            at_s=now,
            up_s=now - self._began,
            condition=self._condition,
            trouble=self._trouble,
            messages_in=log.messages,
            messages_out=hub.delivery.messages,
            bytes_in=self._received + sum(one.received for one in self._seen),
            bytes_out=self._written + sum(one.written for one in self._seen),
            commits=log.commits,
            refusals=hub.refused,
            ack_p50_s=p50,
            ack_p99_s=p99,
            connections=len(self._seen),
            publishers=roles.count(Role.PUBLISHER),
            subscribers=roles.count(Role.SUBSCRIBER),
            slow=sum(one.congested for one in self._seen),
            topic_count=len(topics),
            stored=sum(topic.kept for topic in topics),
            unread=self._unread,
            data_bytes=self._data_bytes,
            free_bytes=self._free_bytes,
            turned_away=self._door.turned_away,
            refused_sign_ins=hub.refused_sign_ins,
            cache_bytes=hub.cache.size,
            others=hub.neighbours.others,
            oldest_unread_s=self._oldest_unread_s,
            topics=tuple(map(self._topic, self._busiest(topics, rows))),
            sessions=tuple(self._sessions(rows, now)),
        )

    def topic(self, name: str) -> TopicDetail | None:
        """Return the topic `name` with its signed-in subscriptions, those furthest behind first."""
        topic = self._hub.topics.get(name)
        if topic is None:
            return None
        cursors = [
            _cursor(connection, cursor)
            for connection in self._seen
            if (reader := connection.session.reader) is not None
            and (cursor := reader.cursors.get(topic)) is not None
        ]
        return TopicDetail(self._topic(topic), _furthest_behind(cursors))

    def session(self, number: int) -> SessionDetail | None:
        """Return the session with this number, if it is still there."""
        connection = self._connection(number)
        if connection is None:
            return None
        session = connection.session
        cursors = [
            _cursor(connection, cursor)
            for cursor in (session.reader.cursors.values() if session.reader else ())
        ]
        return SessionDetail(
            figures=self._session(connection, asyncio.get_running_loop().time()),
            peer=connection.peer,
            version=session.version,
            last_refusal=session.last_refusal,
            cursors=_furthest_behind(cursors),
        )

    def disconnect(self, number: int) -> bool:
        """End the session with this number; return whether it was still there.

        What it had been promised is kept: accepted publishes are stored, unread messages wait.
        """
        connection = self._connection(number)
        if connection is None:
            return False
        connection.session.close(
            Reason.DISCONNECTED,
            "whoever runs this broker has ended this session; nothing that was stored is lost",
        )
        return True

    # the slow looks

    async def run(self) -> None:
        """Look at the store and at the disk while snapshots are asked for, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._asked.wait()
            self._asked.clear()
            began = loop.time()
            try:
                await self._look_at_store()
                await self._look_at_disk()
            except Exception:  # what is only shown must not stop the broker
                _logger.exception("the store and the disk could not be looked at")
            # Where there was no answer it has cost the store nothing, and is looked for soon.
            took_s = loop.time() - began if self._hub.store_health.answers else 0.0
            await asyncio.sleep(max(PAUSE_S, SHARE * took_s))

    async def probe(self) -> None:
        """Ask the store something small; return when it is known whether it answers.

        Whoever asks meanwhile shares the question. One without an answer is not cancelled, as
        that would wait for the server too; it ends by itself, and counts as unanswered until then.
        """
        if self._closed:
            return
        if self._question is None or self._question.done():
            asking = self._hub.store.find_account(NOBODY)
            self._question = asyncio.get_running_loop().create_task(asking)
        await asyncio.wait({self._question}, timeout=PROBE_LIMIT_S)
        health = self._hub.store_health
        if self._question.cancelled():
            return  # the broker stops
        if not self._question.done():
            health.failed(ASKER, TimeoutError())
        elif isinstance(error := self._question.exception(), Exception):
            health.failed(ASKER, error)
        else:
            health.answered(ASKER)

    async def close(self) -> None:
        """Ask no more."""
        self._closed = True
        if self._question is not None:
            self._question.cancel()
            await asyncio.wait({self._question}, timeout=PROBE_LIMIT_S)

    async def _look_at_store(self) -> None:
        await self.probe()
        if not self._hub.store_health.answers:
            return
        with suppress(StoreError, TimeoutError):  # what was known before holds
            async with asyncio.timeout(STORE_LIMIT_S):
                summaries = await self._hub.store.summaries()
            self._summaries = {one.record.name: one for one in summaries}

    async def _look_at_disk(self) -> None:
        if self._disk is None:
            return
        try:
            self._data_bytes, self._free_bytes = await self._disk.seen(DISK_LIMIT_S)
        except OSError:  # the watch over the disk says so in the log
            self._data_bytes = self._free_bytes = None

    # figures

    @property
    def _condition(self) -> Condition:
        closed = self._hub.log.closed
        if closed is not None:
            low = closed.reason is Reason.LOW_DISK
            return Condition.LOW_DISK if low else Condition.STOPPING
        if not self._hub.store_health.answers:
            return Condition.STORE_SILENT
        return Condition.STORE_REFUSES if self._hub.store_health.refusal else Condition.SERVING

    @property
    def _trouble(self) -> str:
        if self._hub.log.closed is not None:
            return self._hub.log.closed.text
        if not self._hub.store_health.answers:
            return "the store does not answer, so publishes wait for it"
        return self._hub.store_health.refusal

    @property
    def _unread(self) -> int | None:
        if self._summaries is None:
            return None
        return sum(summary.unread for summary in self._summaries.values())

    @property
    def _oldest_unread_s(self) -> float | None:
        if self._summaries is None:
            return None
        return max(map(_waited_s, self._summaries.values()), default=0.0)

    def _busiest(self, topics: list[Topic], rows: int) -> list[Topic]:
        """Return those that took the most messages since the start, all of them if that fits."""
        if len(topics) <= rows:
            return topics
        heads = self._heads
        return nlargest(rows, topics, key=lambda topic: topic.head - heads.get(topic, 0))

    def _topic(self, topic: Topic) -> TopicFigures:
        figures = TopicFigures(topic.name, topic.head, len(topic.live))
        summary = self._summaries.get(topic.name) if self._summaries is not None else None
        if summary is None:
            return figures
        return TopicFigures(
            topic.name,
            topic.head,
            len(topic.live),
            summary.subscribers,
            summary.unread,
            _waited_s(summary),
        )

    def _sessions(self, rows: int, now: float) -> Iterator[SessionFigures]:
        """Yield those with the most bytes queued, all of them if that fits."""
        self._notice_movement(now)
        connections: list[Connection] = [*self._seen]
        if len(connections) > rows:
            connections = nlargest(rows, connections, key=lambda one: one.queued)
        for connection in connections:
            yield self._session(connection, now)

    def _notice_movement(self, now: float) -> None:
        for connection, seen in self._seen.items():
            moved_bytes = connection.received + connection.written
            if moved_bytes != seen.moved_bytes:
                seen.moved_bytes, seen.moved_at = moved_bytes, now

    def _session(self, connection: Connection, now: float) -> SessionFigures:
        seen, session = self._seen[connection], connection.session
        account, reader = session.account, session.reader
        return SessionFigures(
            number=seen.number,
            account=account.email if account else "",
            role=account.role if account else None,
            topics=len(reader.cursors) if reader else 0,
            queued_bytes=connection.queued,
            behind=sum(one.topic.unread(one.sent) for one in reader.behind) if reader else 0,
            idle_s=now - seen.moved_at,
            slow=connection.congested,
            unread=_unread(reader.cursors.values()) if reader else 0,
            received_bytes=connection.received,
            written_bytes=connection.written,
        )

    def _connection(self, number: int) -> Connection | None:
        found = (one for one, seen in self._seen.items() if seen.number == number)
        return next(found, None)


def _waited_s(summary: TopicSummary) -> float:
    """Return for how long the topic's oldest unread message has been unread."""
    if summary.unread_since is None:
        return 0.0
    return max((datetime.now(UTC) - summary.unread_since).total_seconds(), 0.0)


def _unread(cursors: Iterable[Cursor]) -> int:
    return sum(one.topic.head - one.confirmed for one in cursors)


def _cursor(connection: Connection, cursor: Cursor) -> CursorFigures:
    account = connection.session.account
    email = account.email if account else ""
    return CursorFigures(email, cursor.topic.name, cursor.confirmed, cursor.sent, cursor.topic.head)


def _furthest_behind(cursors: list[CursorFigures]) -> tuple[CursorFigures, ...]:
    return tuple(nlargest(DETAIL_LIMIT, cursors, key=lambda one: one.head - one.confirmed))


def _sizes(folder: Path) -> tuple[int, int]:
    """Return the bytes of all files below `folder`, and those left on its disk."""
    return _bytes_below(folder), free_bytes(folder)


def _bytes_below(folder: Path) -> int:
    """Return the bytes of all files below `folder`, as far as they can be seen."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # files come and go while PostgreSQL runs
                total += os.lstat(os.path.join(parent, name)).st_size
    return total
