"""What the sessions of one broker share, and who of them is signed in."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from broker.block import Block
from broker.cache import BlockCache
from broker.delivery import Delivery, Reader
from broker.events import Event
from broker.fetcher import Fetcher
from broker.gate import Gate
from broker.log import Log, LogLimits
from broker.neighbours import Neighbours
from broker.removal import Removal
from broker.saver import CursorSaver
from broker.seldom import Seldom
from broker.settings import Settings
from broker.store.errors import StoreError
from broker.store.interface import CursorMove, Store, TopicRecord
from broker.store_health import StoreHealth
from broker.topic_messages import BlockLimits
from broker.topics import Topic, Topics
from protocol.reasons import Reason

if TYPE_CHECKING:
    from broker.session import Session

Work = Coroutine[None, None, None]  # a request that takes time

TAKEN_OVER = "a newer session of this account has taken over; this connection is closed"


class Hub:
    """The rooms of a broker, wired to each other.

    A subscriber has one session at a time, and so has a producer: a newer one takes over.
    """

    def __init__(self, settings: Settings, store: Store, seldom: Seldom) -> None:
        self.settings = settings
        self.store = store
        self.seldom = seldom
        self.store_health = StoreHealth(seldom)
        self.gate = Gate(store, settings.auth, settings.password_threads)
        self.sessions: set[Session] = set()  # who is signed in
        self.topics = Topics()
        self.cache = BlockCache(settings.cache_bytes)
        self.saver = CursorSaver(store, self._superseded)
        # A block's line has to stay within the line limit, as a message's does.
        limits = _log_limits(settings)
        self.fetcher = Fetcher(
            store, self.cache, settings.read_ahead_bytes, limits.block, self.store_health
        )
        self.delivery = Delivery(self.cache, self.fetcher.want, self.saver.moved, self._rest)
        self.fetcher.arrived = self.delivery.arrived
        self.log = Log(store, self.cache, limits, self._committed, self.store_health)
        self.removal = Removal(self)
        self.neighbours = Neighbours(self)
        self.refused = 0  # requests answered with an error since the start
        self.refused_sign_ins = 0  # of them
        self._tasks: set[asyncio.Task[None]] = set()  # requests that take time
        self._holders: dict[object, Session] = {}  # who is signed in as a subscriber or producer

    def start(self, work: Work) -> asyncio.Task[None]:
        """Begin `work`; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def fit(self, block_bytes: int | None, *, takes_scattered: bool = False) -> None:
        """Do as the store can, which is open.

        Take no message, and no publish_many, that has no room in a block of it, and give it
        scattered messages only where it takes them.
        """
        self.log.scatters = takes_scattered
        if block_bytes is not None:
            self.settings = replace(
                self.settings,
                message_bytes=min(self.settings.message_bytes, block_bytes),
                block_bytes=min(self.settings.block_bytes, block_bytes),
            )
            self.log.limits = _log_limits(self.settings, keep_whole=True)

    def know(self, record: TopicRecord) -> Topic | None:
        """Return the topic of `record`, which the store has told just now.

        What other brokers have appended is delivered. None where the topic has been deleted
        since the record was read.
        """
        namesake = self.topics.get(record.name)
        if namesake is not None and namesake.id != record.id:
            if namesake.id > record.id:
                return None
            self.removal.forget(namesake)  # deleted at another broker
        topic = self.topics.add(record)
        if topic is not None:
            self.head_moved(topic, record.head)
            topic.take_out(record.tail)
        return topic

    def head_moved(self, topic: Topic, head: int) -> None:
        """Deliver what another broker has appended to `topic`, up to `head`, if that is news."""
        if head > topic.head:
            topic.head = head
            self.delivery.head_moved(topic)

    async def topic(self, name: str) -> Topic:
        """Return the topic `name`, which another broker may have made a moment ago.

        Raises:
            RequestRefused: there is none.
        """
        if self.topics.get(name) is None and self.neighbours.others:
            await self.neighbours.look()
        return self.topics.named(name)

    def _committed(self, topic: Topic, block: Block) -> None:
        self.delivery.deliver(topic, block)
        if self.neighbours.others:
            self.neighbours.tell_head(topic)

    def _superseded(self, moves: Sequence[CursorMove]) -> None:
        """Close the sessions whose cursors are not saved any more."""
        for move in moves:
            self.end_older(move.account_id, move.epoch + 1)

    def end_older(self, account_id: int, epoch: int) -> None:
        """Close the account's session as a subscriber, if it began before that of `epoch`."""
        session = self._holders.get(account_id)
        if session is not None and session.reader is not None and session.reader.epoch < epoch:
            self._end_taken_over(session)

    def end_older_producer(self, account_id: int, producer: str, epoch: int) -> None:
        """Close the producer's session, if it began before that of `epoch`."""
        session = self._holders.get((account_id, producer))
        if session is not None and session.producer and session.producer.epoch < epoch:
            self._end_taken_over(session)

    def _end_taken_over(self, session: "Session") -> None:
        assert session.account is not None
        self.seldom.tell(
            Event.TAKEN_OVER,
            f"a newer session of {session.account.email}, at another broker, takes over from the"
            f" one from {session.peer.source}",
        )
        session.close(Reason.TAKEN_OVER, TAKEN_OVER)

    def _rest(self, reader: Reader) -> None:
        asyncio.get_running_loop().call_soon(self.delivery.go_on, reader)

    async def close(self, wait_s: float) -> None:
        """Return when nothing that was begun goes on any more."""
        await self.fetcher.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=wait_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.gate.close()

    def take_over(self, key: object, session: "Session") -> None:
        """Make `session` the one that holds `key`, telling and closing the one that did."""
        previous = self._holders.get(key)
        self._holders[key] = session
        if key not in session.keys:
            session.keys = (*session.keys, key)
        if previous is not None and previous is not session:
            if previous.account is not None:
                self.seldom.tell(
                    Event.TAKEN_OVER,
                    f"a newer session of {previous.account.email}, from {session.peer.source},"
                    f" takes over from the one from {previous.peer.source}",
                )
            previous.close(Reason.TAKEN_OVER, TAKEN_OVER)

    def end_sessions(
        self, account_id: int, reason: Reason, text: str, *, but: "Session | None" = None
    ) -> None:
        """End all sessions of the account, but one, telling them why."""
        for session in [*self.sessions]:
            account = session.account
            if account is not None and account.id == account_id and session is not but:
                session.close(reason, text)

    def password_changed(self, account_id: int, *, but: "Session | None" = None) -> None:
        """End the account's sessions, but one: they were begun with a password that is no more."""
        self.end_sessions(
            account_id,
            Reason.PASSWORD_CHANGED,
            "the password of this account was changed; this connection is closed,"
            " sign in with the new one",
            but=but,
        )

    def holds(self, key: object, session: "Session") -> bool:
        return self._holders.get(key) is session

    def release(self, session: "Session") -> None:
        """Let go of whatever `session` holds."""
        for key in [key for key in session.keys if self.holds(key, session)]:
            del self._holders[key]
        session.keys = ()

    def sign_out(self, session: "Session") -> None:
        """End what `session` is signed in as; its cursors are saved soon."""
        reader = session.reader
        if reader is not None:
            session.confirm()
            self.delivery.detach_all(reader)
        if session.account is not None:
            email, source = session.account.email, session.peer.source
            self.seldom.tell(Event.SIGNED_OUT, f"{email} from {source} has left")
        self.release(session)
        self.sessions.discard(session)
        session.account = session.producer = session.reader = None
        self.saver.save_soon()

    def confirm_readers(self) -> None:
        """Look up what the peers of version 1 subscribers have acknowledged."""
        for session in self._holders.values():
            session.confirm()

    async def keep_saving(self) -> None:
        """Save the cursors that have moved, every now and then, until cancelled."""
        while True:
            await self.saver.due(self.settings.cursor_save_s)
            self.confirm_readers()
            try:
                await self.saver.save()
                self.store_health.answered("to save cursors")
            except StoreError as error:
                self.store_health.failed("to save cursors", error)


def _log_limits(settings: Settings, *, keep_whole: bool = False) -> LogLimits:
    block_bytes = min(settings.block_bytes, settings.message_bytes)
    block = BlockLimits(settings.block_messages, block_bytes, keep_whole)
    return LogLimits(block, settings.commit_bytes, settings.store_wait_s)
