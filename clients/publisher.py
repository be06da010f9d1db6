"""The publishing client."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from typing import Unpack

from clients.address import Address
from clients.client import Client, Options
from clients.errors import RequestRefused, SessionEnded
from clients.outbox import Batch, Outbox, Publication
from clients.values import Receipt
from protocol.incoming import Reply, Succeeded
from protocol.names import Role
from protocol.reasons import Reason
from protocol.requests import Connect, CreateTopic
from protocol.requests import Create as CreateAccount

WINDOW_MESSAGES = 10_000
WINDOW_CHARACTERS = 8 * 1024 * 1024


class Publisher(Client):
    """Publishes to topics; what it has accepted is stored once and in order.

        async with Publisher("localhost:3000", "orders@example.com") as publisher:
            receipt = await publisher.publish("ORDERS", "order 17 shipped")

    Publishing is pipelined: any number of publishes may be under way, up to `window`
    messages; then the next one waits for room. Those of one turn of the event loop travel
    together. After a lost connection what was not answered is sent again under the same ids,
    so that nothing is stored twice. While no broker is there publishes wait.

    Leaving `async with` without an error waits for what is under way, and raises the first
    refusal among it.

    `producer` names this program to the broker. With a name of its own choosing, and ids
    given to `publish_together`, a program that was killed learns from `last_id` what is
    stored. Without one a new name is made, which is enough to survive lost connections.
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
        self._outbox = Outbox(window, WINDOW_CHARACTERS)
        self._flushing = False

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
        while self._outbox.full:
            await self._outbox.room.wait()
        return self.send_soon(topic, text)

    def send_soon(self, topic: str, text: str) -> Publication:
        """Accept a message at once, whether there is room for it or not."""
        publication = self._outbox.add(topic, text, self._line_bytes())
        self._flush_soon()
        return publication

    async def publish_together(
        self, topic: str, texts: Sequence[str], *, id: int | None = None
    ) -> Receipt:
        """Publish messages next to each other, all or none, and return the first one's receipt.

        `id`, if given, is above every one before it. Under an id that is stored already
        nothing is stored again; the receipt then has no seq.
        """
        while self._outbox.full:
            await self._outbox.room.wait()
        self._line_bytes()
        batch = self._outbox.add_batch(topic, [*texts], id)
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
        """
        under_way: deque[tuple[Batch, list[Publication]]] = deque()
        done = 0

        async def settle() -> None:
            """Wait for the oldest batch, and tell how much is stored."""
            nonlocal done
            batch, own = under_way.popleft()
            await asyncio.shield(batch.first_seq)
            done += len(own)
            if stored is not None:
                stored(done)

        try:
            async for text in _each(texts):
                publication = await self.send(topic, text)
                if under_way and under_way[-1][0] is publication.batch:
                    under_way[-1][1].append(publication)
                    continue
                under_way.append((publication.batch, [publication]))
                while under_way[0][0].first_seq.done():
                    await settle()
        except Exception:
            while under_way:
                await settle()
            raise
        while under_way:
            await settle()
        return done

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
        self._write(self._outbox.under_way())

    def _session_ends(self, error: SessionEnded) -> None:
        self._outbox.fail(error)

    async def _finish(self) -> None:
        waiting = [batch.first_seq for batch in self._outbox.unanswered()]
        await asyncio.gather(*map(asyncio.shield, waiting))

    def _sign_in_request(self) -> Connect:
        return Connect(user_email=self.email, version=2, producer=self._producer)

    def _create_request(self) -> CreateAccount:
        request = super()._create_request()
        request.producer = self._producer
        return request

    # sending

    def _line_bytes(self) -> int:
        if self._ended is not None:
            raise self._ended
        if self.limits is None:
            raise SessionEnded("the publisher is not open; use it in `async with`")
        return self.limits.line_bytes

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._ended is None:
            self._write(self._outbox.seal(self._line_bytes()))

    def _write(self, batches: Sequence[Batch]) -> None:
        """Send `batches`; where the connection is gone, they are sent on the next one."""
        if self._session is None or not batches:
            return
        for batch in batches:
            batch.sendings += 1
        self._session.write(b"".join(batch.line for batch in batches))


async def _each(texts: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(texts, AsyncIterable):
        async for text in texts:
            yield text
    else:
        for text in texts:
            yield text
