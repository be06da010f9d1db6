"""What was asked on a connection and is not answered yet."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from clients.errors import refusal
from clients.link import Link
from protocol.incoming import HistoryBlocks, Reply, Succeeded
from protocol.replies import Error, ReceiptCount, SubscriptionList, Topics
from protocol.requests import AnyRequest, History, ListTopics, Receipts, Subscriptions, encode

Then = Callable[[Reply], None]

# What answers a request, where that is not just a success.
_REPLIES: dict[type[AnyRequest], type[Reply]] = {
    ListTopics: Topics,
    History: HistoryBlocks,
    Receipts: ReceiptCount,
    Subscriptions: SubscriptionList,
}


class Unanswered(Exception):
    """The connection ended before the reply came. Kept inside the library."""


@dataclass(slots=True, eq=False)
class Question:
    request: AnyRequest
    reply: asyncio.Future[Reply]
    then: Then | None


class Questions:
    """The questions of the newest connection, by the id under which they were asked.

    `changed` is called when one is added or answered.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._asked: dict[str, Question] = {}

    def __bool__(self) -> bool:
        return bool(self._asked)

    def __iter__(self) -> Iterator[AnyRequest]:
        """Yield the requests, oldest first."""
        return (one.request for one in self._asked.values())

    async def ask(
        self, link: Link, request: AnyRequest, number: str, then: Then | None = None
    ) -> Reply:
        """Ask `request` on `link` under the id `number`, and return its reply.

        `then` is called with the success before anything that came after it is looked at,
        even when the wait for it has been cancelled meanwhile.

        Raises:
            RequestRefused: it was not carried out.
            Unanswered: the connection ended before the reply came.
        """
        request.id = number
        line = encode(request)
        if link.lost.done():
            raise Unanswered(link.lost.result())
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = Question(request, reply, then)
        link.write(line)
        self._changed()
        either: list[asyncio.Future[Any]] = [reply, link.lost]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                raise Unanswered(link.lost.result())
            return reply.result()
        finally:
            reply.cancel()

    def answered(self, reply: Reply) -> None:
        """Hand `reply` to whoever asked; a reply to nothing is nothing.

        Raises:
            ValueError: it is of another kind than was asked for.
        """
        question = self._asked.pop(str(reply.id), None)
        if question is None:
            return
        self._changed()
        if isinstance(reply, Error):
            if not question.reply.done():
                question.reply.set_exception(refusal(reply))
            return
        if not isinstance(reply, _REPLIES.get(type(question.request), Succeeded)):
            raise ValueError("a reply is not of the kind that was asked for")
        if question.then is not None:
            question.then(reply)
        if not question.reply.done():
            question.reply.set_result(reply)

    def forget(self) -> None:
        """The connection is gone, and no reply comes any more."""
        self._asked.clear()
