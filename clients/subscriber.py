"""The subscribing client."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Self, Unpack

from clients.address import Address
from clients.client import Client
from clients.options import Options, call
from clients.progress import Progress
from clients.values import Gap, Message, SubscriptionState, messages_of
from protocol.incoming import Delivered, Notice, Reply, Succeeded, Unread
from protocol.names import Role
from protocol.reasons import Reason
from protocol.replies import SubscriptionList, TopicDeleted
from protocol.requests import Ack, Ping, Subscribe, Subscriptions, Unsubscribe, encode

AHEAD_BYTES = 8 * 1024 * 1024

_logger = logging.getLogger("pubsub.clients")

From = Literal["new", "all"] | int


@dataclass(slots=True, eq=False)
class Waiting:
    """A delivered block that the program has not taken; messages before `start` came before."""

    block: Delivered
    start: int
    size: int  # bytes of its line

    @property
    def topic(self) -> str:
        return self.block.topic_name


class Subscriber(Client):
    """Receives the messages of its topics: first what is unread, then what comes.

        async with Subscriber("localhost:3000", "me@example.com") as subscriber:
            await subscriber.subscribe("ORDERS")
            async for message in subscriber:
                print(message.topic, message.seq, message.text)

    A message is confirmed when the next one is asked for, or when `async with` is left
    without an error. What was not confirmed comes again the next time. Within one subscriber
    each message comes once and in the order of its topic, through any number of lost
    connections. Cancelling a wait for the next one loses nothing. One task at a time takes
    messages.

    With `auto_confirm=False` nothing is confirmed but by `confirm`.

    `on_gap` is called with each `Gap`, between the messages before it and those after it; the
    gap counts as confirmed then. Without it a warning is logged. `on_topic_deleted` is called
    with the name of a topic that is gone, and its subscription with it; what came of it and was
    not taken is gone too. Both may be set at any time.

    Reading stops while about `ahead_bytes` wait to be taken. When the session has ended,
    nothing more is handed out: it could not be confirmed, and comes again the next time.
    """

    role = Role.SUBSCRIBER

    def __init__(
        self,
        brokers: str | Sequence[Address],
        email: str,
        *,
        auto_confirm: bool = True,
        ahead_bytes: int = AHEAD_BYTES,
        on_gap: Callable[[Gap], None] | None = None,
        on_topic_deleted: Callable[[str], None] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(brokers, email, **options)
        self._auto_confirm = auto_confirm
        self._ahead_bytes = ahead_bytes
        self.on_gap = on_gap or _warn_of_gap
        self.on_topic_deleted = on_topic_deleted or _warn_of_deleted
        # What had been published while it was away, as of the newest sign-in: by topic, the
        # seqs that had not come before and that nothing else had confirmed. A new dict each time.
        self.backlog: dict[str, range] = {}
        self._progress: dict[str, Progress] = {}
        self._queue: deque[Waiting | Gap] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()  # a block waits, or none will come any more
        self._taking = False  # somebody waits for the next block
        self._taken: Iterator[Message] = iter(())  # what is left of the block being handed out
        self._handed: Message | None = None  # what the program is at; all before is confirmed
        self._handed_until = 0  # the last seq of a block, where it is at a whole one
        self._dirty: set[str] = set()  # topics where something may be due to be acknowledged
        self._acknowledging = False  # in this turn of the event loop

    async def subscribe(self, topic: str, from_: From | None = None) -> None:
        """Subscribe to `topic`, or put the subscription elsewhere.

        `from_` is where it begins: with what is published from now on ("new"), with the
        oldest message there is ("all") or with a seq. Without it a new subscription begins
        with what is new, and one that is there already stays where it is. What was handed
        out and not confirmed before the subscription was put elsewhere is not confirmed.

        Raises:
            TopicNotFound: there is no such topic.
            RequestRefused: for another reason.
        """
        request = Subscribe(topic_name=topic)
        if from_ is not None:
            request.from_ = from_

        def put(_: Reply) -> None:
            if from_ is not None or topic not in self._progress:
                self._drop(topic)
                self._progress[topic] = Progress()

        try:
            await self._ask(request, then=put)
        finally:
            self._acknowledge_soon(topic)  # nothing was, while it was not known where it stands

    async def unsubscribe(self, topic: str) -> None:
        """End the subscription; nothing of `topic` is handed out after that.

        Raises:
            RequestRefused: there is no such subscription.
        """
        request = Unsubscribe(topic_name=topic)
        await self._ask(request, then=lambda _: self._drop(topic), done_if=Reason.NOT_SUBSCRIBED)

    async def subscriptions(self) -> list[SubscriptionState]:
        """Return the account's subscriptions, oldest topic first."""
        reply = await self._ask(Subscriptions())
        assert isinstance(reply, SubscriptionList)
        return reply.subscriptions

    def confirm(self, topic: str, seq: int) -> None:
        """All of `topic` up to `seq`, which was handed out, is processed."""
        progress = self._progress.get(topic)
        if progress is not None:
            progress.confirm(seq)
            self._acknowledge_soon(topic)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """Return the next message, and confirm the one before it.

        Ends when the subscriber has been closed.

        Raises:
            SessionEnded: a newer session has taken over, or the account is not let in again.
        """
        message = next(self._taken, None)
        while message is None:
            self._confirm_handed()
            waiting = await self._next_block()
            self._taken = self._messages(waiting)
            message = next(self._taken, None)
        self._handed = message  # all before it is confirmed, once for this turn of the loop
        if not self._acknowledging:
            self._begin_acknowledging()
        return message

    async def blocks(self) -> AsyncIterator[list[Message]]:
        """Yield the messages as they come in blocks, each confirmed when the next is asked for."""
        while True:
            self._confirm_handed()
            messages = [*self._taken]
            if not messages:
                try:
                    messages = [*self._messages(await self._next_block())]
                except StopAsyncIteration:
                    return
            self._handed, self._handed_until = messages[0], messages[-1].seq
            yield messages

    # for the base class

    def delivered(self, block: Delivered, size: int) -> None:
        last = block.seq + len(block.messages) - 1
        progress = self._progress.setdefault(block.topic_name, Progress())
        start = progress.receive(block.seq, last)
        if start == len(block.messages):
            self._acknowledge_soon(block.topic_name)  # the ack of it may have been lost
            return
        self._queue.append(Waiting(block, start, size))
        self._queued_bytes += size
        self._arrived.set()
        self._throttle()

    def noticed(self, notice: Notice) -> None:
        topic = notice.topic_name
        if isinstance(notice, TopicDeleted):
            self._drop(topic)
            call("on_topic_deleted", self.on_topic_deleted, topic)
            return
        progress = self._progress.setdefault(topic, Progress())
        first = max(notice.seq, progress.taken + 1)  # what has come before is no gap
        progress.receive(notice.seq, notice.last_seq)
        if first <= notice.last_seq:
            self._queue.append(Gap(topic, first, notice.last_seq))
            self._arrived.set()

    def _session_begins(self, account: Succeeded) -> None:
        assert isinstance(account.subscriptions, list)
        known, self._progress = self._progress, {}
        self.backlog = {}
        for one in account.subscriptions:
            progress = known.pop(one.topic_name, None) or Progress(one.cursor, one.cursor)
            if progress.begin(one.cursor, one.head):
                self._discard(one.topic_name)
            self._progress[one.topic_name] = progress
            before = one.head - one.unread  # confirmed, or not kept any more
            self.backlog[one.topic_name] = range(max(progress.taken, before) + 1, one.head + 1)
        for topic in known:  # not subscribed any more
            self._discard(topic)

    def _session_ends(self) -> None:
        self._queue.clear()
        self._forget_handed()
        self._arrived.set()

    def _throttle(self) -> None:
        """Read on unless enough waits to be taken; a reply that is awaited lies behind it."""
        if self._link is None:
            return
        if self._queued_bytes > self._ahead_bytes and not self._questions:
            self._link.pause()
        else:
            self._link.resume()

    async def _finish(self) -> None:
        """Confirm what was handed out, and see that the broker has heard of it."""
        if self._ended is not None:
            return  # the program has been told, and what is not confirmed comes again
        self._confirm_handed()
        self._taken = iter(())
        while True:
            session = self._session
            self._acknowledge(self._progress)
            heard = not any(progress.unheard for progress in self._progress.values())
            await self._ask(Ping())
            if heard and session is self._session:
                return
            # The connection is a new one. What comes again on it is acknowledged again.

    # handing out

    async def _next_block(self) -> Waiting:
        if self._taking:
            raise RuntimeError("another task is taking messages already")
        self._taking = True
        try:
            # The loop turns once a block, whatever the program does with its messages.
            await asyncio.sleep(0)
            while isinstance(waiting := await self._one_queued(), Gap):
                self._pass(waiting)
        finally:
            self._taking = False
        self._queued_bytes -= waiting.size
        self._throttle()
        return waiting

    async def _one_queued(self) -> Waiting | Gap:
        while not self._queue or self._ended is not None:
            if self._closed:
                raise StopAsyncIteration
            self._check_usable()
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def _pass(self, gap: Gap) -> None:
        """Tell of `gap`, before which everything has been taken."""
        call("on_gap", self.on_gap, gap)
        self.confirm(gap.topic, gap.last_seq)

    def _messages(self, waiting: Waiting) -> Iterator[Message]:
        unread = isinstance(waiting.block, Unread)
        return messages_of(waiting.block, waiting.start, unread=unread)

    def _drop(self, topic: str) -> None:
        """The subscription is gone, or is put elsewhere."""
        self._progress.pop(topic, None)
        self._discard(topic)

    def _discard(self, topic: str) -> None:
        """Hand out nothing more of what has come of `topic`."""
        self._queue = deque(one for one in self._queue if one.topic != topic)
        self._queued_bytes = sum(one.size for one in self._queue if isinstance(one, Waiting))
        if self._handed is not None and self._handed.topic == topic:
            self._forget_handed()

    def _forget_handed(self) -> None:
        """What the program is at is never confirmed, and the rest of its block never handed."""
        self._handed, self._handed_until, self._taken = None, 0, iter(())

    # confirming

    def _confirm_handed(self) -> None:
        handed, until = self._handed, self._handed_until
        self._handed, self._handed_until = None, 0
        if handed is not None and self._auto_confirm:
            self.confirm(handed.topic, max(handed.seq, until))

    def _acknowledge_soon(self, topic: str) -> None:
        self._dirty.add(topic)
        if not self._acknowledging:
            self._begin_acknowledging()

    def _begin_acknowledging(self) -> None:
        self._acknowledging = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Tell the broker how far the program has come, in one line a topic."""
        self._acknowledging = False
        handed = self._handed
        if handed is not None and self._auto_confirm and handed.topic in self._progress:
            self._progress[handed.topic].confirm(handed.seq - 1)
            self._dirty.add(handed.topic)
        topics, self._dirty = self._dirty, set()
        self._acknowledge(topics)

    def _acknowledge(self, topics: Iterable[str]) -> None:
        if self._session is None:
            return  # what comes again is acknowledged then
        for topic in topics:
            progress = self._progress.get(topic)
            if progress is None or self._is_moving(topic):
                continue
            seq = progress.due()
            if seq is not None:
                self._session.write(encode(Ack(topic_name=topic, seq=seq, id="ack")))

    def _is_moving(self, topic: str) -> bool:
        """Whether the subscription is being put elsewhere.

        An ack that is meant for the old place could reach the broker in the new one.
        """
        return any(
            isinstance(request, Subscribe) and request.topic_name == topic
            for request in self._questions
        )


def _warn_of_gap(gap: Gap) -> None:
    _logger.warning(
        "messages %d to %d of %r are gone: the broker no longer keeps them",
        gap.first_seq,
        gap.last_seq,
        gap.topic,
    )


def _warn_of_deleted(topic: str) -> None:
    _logger.warning("the topic %r was deleted, and the subscription to it with it", topic)
