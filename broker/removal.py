"""Taking topics and accounts out, and seeing that through whatever the store does.

What is being taken out is unknown to the broker from the first moment on, and stays so: were
it in memory and not in the store, a commit that names it would fail for everybody in it. So a
removal that has begun goes on until the store has done it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from broker.events import Event, tell
from broker.store.errors import StoreError
from broker.store.interface import Account
from broker.topics import Topic
from protocol.reasons import Reason, RequestRefused
from protocol.replies import TopicDeleted, notice_line

if TYPE_CHECKING:
    from broker.hub import Hub
    from broker.session import Session

PAUSE_LIMIT_S = 5.0  # between two tries

T = TypeVar("T")

_logger = logging.getLogger("pubsub.broker")


class Removal:
    """Knows what is being taken out."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._topics: dict[str, asyncio.Task[None]] = {}  # by name

    async def remove_topic(self, topic: Topic) -> None:
        """Take out `topic`, its messages and its subscriptions; return when that is done.

        Raises:
            RequestRefused: the store does not answer. The removal goes on by itself.
        """
        self.forget(topic)
        task = self._topics[topic.name] = self._hub.start(self._remove_topic(topic))
        task.add_done_callback(lambda _: self._topics.pop(topic.name))
        await self._done(task, f"topic {topic.name!r}")

    def forget(self, topic: Topic) -> None:
        """Know `topic` no more, and tell its subscribers: it is being deleted, or has been."""
        self._hub.topics.remove(topic)
        self._hub.cache.forget_topic(topic.name)
        self._detach(topic)

    async def name_is_free(self, name: str) -> None:
        """Return when no topic called `name` is being taken out.

        Raises:
            RequestRefused: the store does not answer.
        """
        if name in self._topics:
            await self._done(self._topics[name], f"topic {name!r}")

    async def remove_account(self, account: Account, owner: "Session") -> None:
        """Take out `account`; its sessions end, and that of `owner` is signed out.

        Raises:
            RequestRefused: the store does not answer. The removal goes on by itself.
        """
        self.expel(account.id, owner)
        self._hub.neighbours.tell_account_deleted(account.id)
        self._hub.sign_out(owner)
        task = self._hub.start(self._remove_account(account))
        await self._done(task, f"account {account.email}")

    def expel(self, account_id: int, owner: "Session | None" = None) -> None:
        """Let nobody in to the account any more, and end its sessions but that of `owner`."""
        self._hub.gate.expel(account_id)
        self._hub.end_sessions(
            account_id,
            Reason.ACCOUNT_DELETED,
            "this account was deleted by another of its sessions; this connection is closed",
            but=owner,
        )

    def _detach(self, topic: Topic) -> None:
        """Deliver nothing more of `topic`, and tell those who can be told."""
        line = notice_line(TopicDeleted(topic.name))
        for session in [*self._hub.sessions]:
            reader = session.reader
            cursor = reader.cursors.get(topic) if reader else None
            if reader is None or cursor is None:
                continue
            cursor.forgotten = True
            self._hub.delivery.detach(cursor)
            if session.version == 2 and not session.closing:
                session.peer.write(line)
            self._hub.delivery.advance(reader)  # it may be caught up by that

    async def _remove_topic(self, topic: Topic) -> None:
        # What was accepted before is stored first: after that no commit names the topic.
        await self._hub.log.find_out()
        what, store = f"topic {topic.name!r}", self._hub.store
        # A bounded number of blocks at a time. Whatever stops this in between leaves a topic
        # that has lost its oldest messages, and no block without a topic.
        while await self._insist(lambda: store.take_out(topic.id, topic.head), what) is not None:
            pass
        await self._insist(lambda: store.delete_topic(topic.id), what)
        self._hub.neighbours.tell_topics_changed()
        tell(Event.TOPIC_DELETED, f"topic {topic.name!r} was deleted by its creator")

    async def _remove_account(self, account: Account) -> None:
        # Producers that a commit remembers belong to an account that has to be there.
        await self._hub.log.find_out()
        store = self._hub.store
        await self._insist(lambda: store.delete_account(account.id), f"account {account.email}")
        self._hub.cache.forget_publisher(account.email)
        tell(Event.ACCOUNT_DELETED, f"account {account.email} was deleted by its owner")

    async def _insist(self, ask: Callable[[], Awaitable[T]], what: str) -> T:
        """Ask the store until it has done it."""
        pause_s = 0.05
        while True:
            try:
                return await ask()
            except StoreError as error:
                _logger.warning("%s is not deleted yet (%s); trying again", what, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_LIMIT_S)

    async def _done(self, task: asyncio.Task[None], what: str) -> None:
        wait_s = self._hub.settings.store_wait_s
        await asyncio.wait([task], timeout=wait_s)
        if not task.done():
            raise RequestRefused(
                Reason.STORE_UNAVAILABLE,
                f"the store has not answered for {wait_s:g} s; the {what} will be gone when it"
                " answers, and nobody can use it until then",
            )
        task.result()
