"""What a publisher has sent and not heard of, or is about to send, oldest first.

Messages for one topic that are given in one turn of the event loop travel as one batch: one
line, one id, stored together. A batch keeps its id and its line until it is answered, so that
it can be sent again after a lost connection and is stored once.
"""

import asyncio
from collections.abc import Generator
from typing import Any

from clients.errors import PASSING, RequestRefused, SessionEnded, refusal
from clients.values import Receipt
from protocol.incoming import Reply, Succeeded
from protocol.reasons import Reason
from protocol.replies import Error
from protocol.requests import PublishMany, PublishMsg, encode

BATCH_MESSAGES = 512
WIDEST = 6  # bytes that a character takes in JSON at most, when it is escaped


class Batch:
    """Messages for one topic that are stored together.

    `first_seq` is done when they are on disk: the seq of the first, or None where they had
    been stored before and the broker does not say again where.
    """

    __slots__ = ("first_seq", "id", "line", "sendings", "size", "texts", "topic")

    def __init__(self, number: int, topic: str) -> None:
        self.id = number
        self.topic = topic
        self.texts: list[str] = []
        self.size = 0  # characters
        self.line = b""
        self.sendings = 0
        self.first_seq: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    def seal(self) -> None:
        """Make the line; nothing is added from now on."""
        if len(self.texts) == 1:
            self.line = encode(PublishMsg(self.topic, self.texts[0], self.id))
        else:
            self.line = encode(PublishMany(self.topic, self.texts, self.id))


class Publication:
    """A message on its way. Awaiting it gives its receipt; cancelling that changes nothing.

    Raises:
        RequestRefused: it was not stored.
        SessionEnded: it is not known whether it was.
    """

    __slots__ = ("_batch", "_place")

    def __init__(self, batch: Batch, place: int) -> None:
        self._batch = batch
        self._place = place

    def __await__(self) -> Generator[Any, None, Receipt]:
        first = yield from asyncio.shield(self._batch.first_seq).__await__()
        return Receipt(self._batch.topic, None if first is None else first + self._place)

    @property
    def batch(self) -> Batch:
        """The messages it is stored together with."""
        return self._batch

    @property
    def done(self) -> bool:
        """Whether it is stored or refused."""
        return self._batch.first_seq.done()

    @property
    def resent(self) -> bool:
        """Whether it has been sent more than once, under the same id."""
        return self._batch.sendings > 1


class Outbox:
    """The batches that are not answered, of at most about `messages` and `characters`.

    `full` is to be looked at before `add`, which takes whatever it is given.
    """

    def __init__(self, messages: int, characters: int) -> None:
        self._most = messages, characters
        self._messages = 0
        self._characters = 0
        self._under_way: dict[int, Batch] = {}  # sealed, by id, in order
        self._gathering: list[Batch] = []
        self._open: Batch | None = None  # the newest of them, while more may be added to it
        self.last_id = 0
        self.room = asyncio.Event()  # set while it is not full
        self.room.set()

    @property
    def messages(self) -> int:
        """How many messages are neither stored nor refused."""
        return self._messages

    @property
    def full(self) -> bool:
        return self._messages >= self._most[0] or self._characters >= self._most[1]

    def add(self, topic: str, text: str, line_bytes: int) -> Publication:
        """Put a message in, into the newest batch if it fits there.

        Raises:
            TypeError, UnicodeEncodeError: it is not text that can be sent.
        """
        _check(topic)
        _check(text)
        batch = self._open
        if (
            batch is None
            or batch.topic != topic
            or len(batch.texts) >= BATCH_MESSAGES
            or (batch.size + len(text)) * WIDEST > line_bytes // 2
        ):
            batch = self._open = self._begin(topic, self.last_id + 1)
        self._put(batch, text)
        return Publication(batch, len(batch.texts) - 1)

    def add_batch(self, topic: str, texts: list[str], number: int | None) -> Batch:
        """Put messages in that are stored together, under the id `number` or the next one.

        Raises:
            ValueError: there are none, or `number` is not above all before it.
            TypeError, UnicodeEncodeError: it is not text that can be sent.
        """
        if not texts:
            raise ValueError("there is nothing to publish")
        if number is not None and number <= self.last_id:
            raise ValueError(f"id {number} is not above {self.last_id}, the newest before it")
        for text in (topic, *texts):
            _check(text)
        batch = self._begin(topic, number or self.last_id + 1)
        self._open = None
        for text in texts:
            self._put(batch, text)
        return batch

    def seal(self, line_bytes: int) -> list[Batch]:
        """Return what has been gathered; it is under way now.

        What does not fit into a line of `line_bytes` is refused, as the broker, which could
        not even read its id, would do.
        """
        gathered, self._gathering, self._open = self._gathering, [], None
        for batch in gathered:
            batch.seal()
            self._under_way[batch.id] = batch
        for batch in gathered:
            if len(batch.line) - 1 > line_bytes:
                text = f"the request takes more than {line_bytes} bytes; publish less at once"
                self._settled(batch).set_exception(RequestRefused(Reason.TOO_LARGE, text))
        return [batch for batch in gathered if batch.id in self._under_way]

    def under_way(self) -> list[Batch]:
        """Return what was sealed and is not answered, oldest first."""
        return [*self._under_way.values()]

    def unanswered(self) -> list[Batch]:
        """Return all that is neither stored nor refused, oldest first."""
        return [*self._under_way.values(), *self._gathering]

    def answered(self, reply: Reply) -> None:
        """Settle the batch that `reply` is about.

        What was refused because the broker or its store goes away stays: it is sent again.
        """
        batch = self._under_way.get(reply.id) if isinstance(reply.id, int) else None
        if batch is None or (isinstance(reply, Error) and reply.reason in PASSING):
            return
        if isinstance(reply, Error):
            self._settled(batch).set_exception(refusal(reply))
        elif isinstance(reply, Succeeded):
            seq = reply.seq if isinstance(reply.seq, int) else None
            self._settled(batch).set_result(seq)

    def fail(self, error: SessionEnded) -> None:
        """Settle everything: it is not known whether it was stored."""
        for batch in self.unanswered():
            batch.first_seq.set_exception(error)
            batch.first_seq.exception()  # whoever waits sees it; the end itself is no secret
        self._under_way.clear()
        self._gathering.clear()
        self._open = None
        self.room.set()

    def _settled(self, batch: Batch) -> asyncio.Future[int | None]:
        """Make room where `batch` was, and return what has to be told of it."""
        del self._under_way[batch.id]
        self._messages -= len(batch.texts)
        self._characters -= batch.size
        if not self.full:
            self.room.set()
        return batch.first_seq

    def _begin(self, topic: str, number: int) -> Batch:
        self.last_id = number
        batch = Batch(number, topic)
        self._gathering.append(batch)
        return batch

    def _put(self, batch: Batch, text: str) -> None:
        batch.texts.append(text)
        batch.size += len(text)
        self._messages += 1
        self._characters += len(text)
        if self.full:
            self.room.clear()


def _check(text: str) -> None:
    # One wrong text in a batch would have all of it refused.
    if not isinstance(text, str):
        raise TypeError(f"a message and a topic are text, not {type(text).__name__}")
    if not text.isascii():
        text.encode()  # half a surrogate pair cannot be sent
