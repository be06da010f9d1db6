"""The publishing client."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Unpack

from clients.address import Address
from clients.client import Client
from clients.errors import RequestRefused, SessionEnded
from clients.options import Options
from clients.outbox import Batch, Outbox, Publication
from clients.stream import Stream
from clients.values import Receipt
from protocol.incoming import Reply, Succeeded
from protocol.names import Role
from protocol.reasons import Reason
from protocol.replies import Limits
from protocol.requests import Connect, CreateTopic, DeleteTopic
from protocol.requests import Create as CreateAccount

WINDOW_MESSAGES = 10_000
WINDOW_BYTES = 8 * 1024 * 1024


class Publisher(Client):
    """Publishes to topics; what it has accepted is stored once and in order.

        async with Publisher("localhost:3000", "orders@example.com") as publisher:
            receipt = await publisher.publish("ORDERS", "order 17 shipped")

    Publishing is pipelined: any number of publishes may be under way, up to `window`
    messages; then the next one waits for room. Those of one turn of the event loop travel
    together. After a lost connection what was not answered is sent again under the same ids,
    so that nothing is stored twice. While no broker is there publishes wait.

    Leaving `async with` without an error waits for all that is under way, and raises the first
    refusal among it, or what ended the session before it was stored.

    `producer` names this program to the broker. With a name of its own choosing, and ids
    given to `publish_together`, a program that was killed learns from `last_id` what is
    stored. Without one a new name is made, which is enough to survive lost connections. Each
    running program has a name of its own: a newer session of the same name takes over.
    """

    role = Role.PUBLISHER

    def __init__(
        self,
        brokers: str | Sequence[Address],
        email: str,
        *,
        producer: str | None = None,
        window: int = WINDOW_MESSAGES,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(brokers, email, **options)
        self._producer = producer or f"python {secrets.token_hex(8)}"
        self._outbox = Outbox(window, WINDOW_BYTES)
        self._flushing = False
        self._unknown: SessionEnded | None = None  # why it is not known what was stored

    @property
    def last_id(self) -> int:
        """The newest id of this producer: right after `open` the newest that is stored."""
        return self._outbox.last_id

    @property
    def waiting(self) -> int:
        """How many messages have been accepted and are neither stored nor refused."""
        return self._outbox.messages

    async def create_topic(self, name: str, *, exist_ok: bool = False) -> None:
        """Make a topic; with `exist_ok`, unless it is there.

        Raises:
            RequestRefused: there is one of that name, or it is not a name.
        """
        try:
            await self._ask(CreateTopic(topic_name=name), done_if=Reason.TOPIC_EXISTS)
        except RequestRefused as refused:
            if not (exist_ok and refused.reason == Reason.TOPIC_EXISTS):
                raise

    async def delete_topic(self, name: str) -> None:
        """Take out a topic that this account made, with its messages and its subscriptions.

        Raises:
            TopicNotFound: there is no such topic.
            RequestRefused: another account made it, or the store does not answer.
        """
        await self._ask(DeleteTopic(topic_name=name), done_if=Reason.TOPIC_NOT_FOUND)

    async def publish(self, topic: str, text: str) -> Receipt:
        """Publish a message and return when it is on disk.

        Cancelling the wait does not take it back.

        Raises:
            TopicNotFound: there is no such topic.
            RequestRefused: it was not stored, for another reason.
            SessionEnded: it is not known whether it was stored.
        """
        return await (await self.send(topic, text))

    async def send(self, topic: str, text: str) -> Publication:
        """Accept a message, when there is room for it; await what is returned for its receipt.

        Messages are stored in the order in which they were accepted.
        """
        await self._room()
        return self.send_soon(topic, text)

    def send_soon(self, topic: str, text: str) -> Publication:
        """Accept a message at once, whether there is room for it or not."""
        batch = self._accept(topic, text)
        return Publication(batch, batch.count - 1)

    async def publish_together(
        self, topic: str, texts: Sequence[str], *, id: int | None = None
    ) -> Receipt:
        """Publish messages next to each other, all or none, and return the first one's receipt.

        `id`, if given, is above `last_id`. Cancelling the wait does not take them back.

        Raises:
            ValueError: there are no messages, or `id` is not above `last_id`.
            TopicNotFound, RequestRefused, SessionEnded: as in `publish`.
        """
        await self._room()
        self._check_usable()
        batch = self._outbox.add_batch(topic, texts, id)
        self._flush_soon()
        return await Publication(batch, 0)

    async def publish_many(
        self,
        topic: str,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        stored: Callable[[int], None] | None = None,
    ) -> int:
        """Publish all of `texts`, in order, and return how many there were, all on disk.

        Takes from `texts` only while there is room. `stored` is told now and then how many
        from the first on are on disk. When one is refused, all before it are stored and some
        after it may be. An error that `texts` raises goes on up once all before it are stored.

        Raises:
            TopicNotFound, RequestRefused, SessionEnded: as in `publish`.
        """
        if isinstance(texts, str):
            raise TypeError("messages are a list of texts, not one text")
        stream = Stream(stored)
        taking = asyncio.ensure_future(self._take(topic, texts, stream))
        try:
            # A refusal is not left to be found out with the next text, which may be long in
            # coming.
            await asyncio.wait([taking, stream.failed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            taking.cancel()
            await asyncio.wait([taking])
        await stream.settled()
        taking.result()
        return stream.stored

    async def drain(self) -> None:
        """Return when all that was accepted by now is stored or refused."""
        waiting = [batch.first_seq for batch in self._outbox.unanswered()]
        if waiting:
            await asyncio.wait(waiting)

    # for the base class

    def answered(self, reply: Reply) -> None:
        if isinstance(reply.id, int):
            self._outbox.answered(reply)
        else:
            super().answered(reply)

    def _session_begins(self, account: Succeeded) -> None:
        if isinstance(account.last_id, int):
            self._outbox.last_id = max(self._outbox.last_id, account.last_id)
        self._write(self._outbox.under_way(self._limits()))

    def _session_ends(self) -> None:
        if self._outbox.messages:
            self._unknown = self._ended
        self._outbox.fail(str(self._ended))

    async def _finish(self) -> None:
        waiting = [batch.first_seq for batch in self._outbox.unanswered()]
        await self.drain()
        for first_seq in waiting:
            first_seq.result()
        if self._unknown is not None:
            raise self._unknown

    def _sign_in_request(self) -> Connect:
        return Connect(user_email=self.email, version=2, producer=self._producer)

    def _create_request(self) -> CreateAccount:
        request = super()._create_request()
        request.producer = self._producer
        return request

    # sending

    async def _take(
        self, topic: str, texts: Iterable[str] | AsyncIterable[str], stream: Stream
    ) -> None:
        """Accept all of `texts`, as there is room."""
        await self._room()
        async with aclosing(_each(texts)) as each:
            async for text in each:
                stream.add(self._accept(topic, text))
                if self._outbox.full:
                    await self._room()

    async def _room(self) -> None:
        """Return when there is room, or the session has ended."""
        while self._outbox.full:
            await self._outbox.room.wait()

    def _accept(self, topic: str, text: str) -> Batch:
        self._check_usable()
        batch = self._outbox.add(topic, text, self._limits())
        self._flush_soon()
        return batch

    def _limits(self) -> Limits:
        assert self.limits is not None  # it has been signed in
        return self.limits

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._ended is None:
            self._write(self._outbox.seal(self._limits()))

    def _write(self, batches: Sequence[Batch]) -> None:
        """Send `batches`; where the connection is gone, they are sent on the next one."""
        if self._session is None or not batches:
            return
        for batch in batches:
            batch.sendings += 1
        self._session.write(b"".join(batch.line for batch in batches))


async def _each(texts: Iterable[str] | AsyncIterable[str]) -> AsyncGenerator[str, None]:
    if isinstance(texts, AsyncIterable):
        async for text in texts:
            yield text
    else:
        for text in texts:
            yield text
