"""What a publisher has accepted and not heard of, oldest first.

Messages for one topic that are given in one turn of the event loop travel as one batch: one
line, one id, stored together. A batch keeps its id and its line until it is answered, so that
it can be sent again after a lost connection and is stored once.
"""

import asyncio
from collections.abc import Generator, Sequence
from typing import Any

import msgspec

from clients.errors import PASSING, RequestRefused, SessionEnded, refusal
from clients.values import Receipt
from protocol.incoming import Reply, Succeeded
from protocol.reasons import Reason
from protocol.replies import Error, Limits
from protocol.requests import publish_line

BATCH_MESSAGES = 4_096
LAST_ID = 2**63 - 1

_encode = msgspec.json.Encoder().encode


class Batch:
    """Messages for one topic that are stored together.

    `first_seq` is done when they are on disk: the seq of the first, or None where they had
    been stored before and the broker does not say again where.
    """

    __slots__ = ("bodies", "count", "first_seq", "id", "line", "sendings", "size", "topic")

    def __init__(self, number: int, topic: str) -> None:
        self.id = number
        self.topic = topic
        self.bodies: list[bytes] = []  # the messages as JSON, until it is sealed
        self.count = 0  # of them
        self.size = 0  # their bytes, with a comma each
        self.line = b""
        self.sendings = 0
        self.first_seq: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()


class Publication:
    """A message on its way. Awaiting it gives its receipt; cancelling that changes nothing.

    Raises:
        TopicNotFound: there is no such topic.
        RequestRefused: it was not stored, for another reason.
        SessionEnded: it is not known whether it was stored.
    """

    __slots__ = ("_batch", "_place")

    def __init__(self, batch: Batch, place: int) -> None:
        self._batch = batch
        self._place = place

    def __await__(self) -> Generator[Any, None, Receipt]:
        first = yield from asyncio.shield(self._batch.first_seq).__await__()
        return Receipt(self._batch.topic, None if first is None else first + self._place)

    def goes_with(self, other: "Publication") -> bool:
        """Whether both are stored together, or neither is."""
        return self._batch is other._batch

    @property
    def done(self) -> bool:
        """Whether it is stored or refused."""
        return self._batch.first_seq.done()

    @property
    def resent(self) -> bool:
        """Whether it has been sent more than once, under the same id."""
        return self._batch.sendings > 1


class Outbox:
    """The batches that are not answered, of at most about `most_messages` and `most_bytes`.

    `full` is to be looked at before `add`, which takes whatever it is given.
    """

    def __init__(self, most_messages: int, most_bytes: int) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self.messages = 0  # neither stored nor refused
        self._bytes = 0  # of those
        self._under_way: dict[int, Batch] = {}  # sealed, by id, in order
        self._gathering: list[Batch] = []
        self._open: Batch | None = None  # the newest of them, while more may be added to it
        self.last_id = 0
        self.full = False
        self.room = asyncio.Event()  # set while it is not full
        self.room.set()

    def add(self, topic: str, text: str, limits: Limits) -> Batch:
        """Put a message in, as the last of the newest batch if it fits there.

        A batch never becomes too large by what is added to it.

        Raises:
            TypeError, UnicodeEncodeError: it is not text that can be sent.
        """
        body = _json(text)
        batch = self._open
        if (
            batch is None
            or topic != batch.topic
            or batch.count >= BATCH_MESSAGES
            or batch.size + len(body) >= limits.message_bytes
        ):
            batch = self._open = self._begin(topic, self.last_id + 1)
        batch.bodies.append(body)
        batch.count += 1
        batch.size += len(body) + 1
        self._count(1, len(body) + 1)
        return batch

    def add_batch(self, topic: str, texts: Sequence[str], number: int | None) -> Batch:
        """Put messages in that are stored together, under the id `number` or the next one.

        Raises:
            ValueError: there are none, or `number` is not above all before it.
            TypeError, UnicodeEncodeError: it is not text that can be sent.
        """
        if isinstance(texts, str):
            raise TypeError("messages are a list of texts, not one text")
        bodies = [_json(text) for text in texts]
        if not bodies:
            raise ValueError("there is nothing to publish")
        batch = self._begin(topic, self.last_id + 1 if number is None else number)
        self._open = None
        batch.bodies = bodies
        batch.count = len(bodies)
        batch.size = sum(map(len, bodies)) + len(bodies)
        self._count(batch.count, batch.size)
        return batch

    def seal(self, limits: Limits) -> list[Batch]:
        """Return what has been gathered; it is under way now, and nothing is added to it."""
        gathered, self._gathering, self._open = self._gathering, [], None
        for batch in gathered:
            batch.line = publish_line(_json(batch.topic), batch.bodies, batch.id)
            batch.bodies = []
            self._under_way[batch.id] = batch
        return self._sendable(gathered, limits)

    def under_way(self, limits: Limits) -> list[Batch]:
        """Return what was sealed and is not answered, oldest first."""
        return self._sendable([*self._under_way.values()], limits)

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

    def fail(self, why: str) -> None:
        """Settle everything: it is not known whether it was stored."""
        for batch in self.unanswered():
            batch.first_seq.set_exception(SessionEnded(why))
            batch.first_seq.exception()  # whoever waits sees it; the end itself is no secret
        self._under_way.clear()
        self._gathering.clear()
        self._open = None
        self._count(-self.messages, -self._bytes)

    def _sendable(self, batches: list[Batch], limits: Limits) -> list[Batch]:
        """Refuse what does not fit into a line, and return the rest.

        The broker would refuse it too, but could not say what: it does not read the id.
        """
        for batch in batches:
            if len(batch.line) - 1 > limits.line_bytes:
                text = f"this takes more than {limits.line_bytes} bytes; publish less at once"
                self._settled(batch).set_exception(RequestRefused(Reason.TOO_LARGE, text))
        return [batch for batch in batches if batch.id in self._under_way]

    def _settled(self, batch: Batch) -> asyncio.Future[int | None]:
        """Make room where `batch` was, and return what has to be told of it."""
        del self._under_way[batch.id]
        self._count(-batch.count, -batch.size)
        return batch.first_seq

    def _begin(self, topic: str, number: int) -> Batch:
        _json(topic)  # or the batch could never be sealed
        if type(number) is not int or number > LAST_ID:
            raise ValueError(f"an id is an integer up to {LAST_ID}, not {number!r}")
        if number <= self.last_id:
            raise ValueError(f"id {number} is not above {self.last_id}, the newest before it")
        self.last_id = number
        batch = Batch(number, topic)
        self._gathering.append(batch)
        return batch

    def _count(self, messages: int, size: int) -> None:
        self.messages += messages
        self._bytes += size
        full = self.messages >= self._most_messages or self._bytes >= self._most_bytes
        if full is not self.full:
            self.full = full
            (self.room.clear if full else self.room.set)()


def _json(text: str) -> bytes:
    """Return `text` as JSON.

    Raises:
        TypeError: it is no text.
        UnicodeEncodeError: it holds one half of a surrogate pair, which cannot be sent.
    """
    if type(text) is str:
        return _encode(text)
    if not isinstance(text, str):
        raise TypeError(f"a message and a topic are text, not {type(text).__name__}")
    return _encode(str.__str__(text))
