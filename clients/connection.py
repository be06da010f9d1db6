"""One connection to a broker, speaking version 2: requests with their replies, deliveries."""

import asyncio
import os
from collections.abc import Sequence
from itertools import count
from typing import Self

from clients.address import Address
from protocol.incoming import Broadcast, Delivered, Reply, Unread, decode
from protocol.replies import Error
from protocol.requests import AnyRequest, encode

LINE_LIMIT_BYTES = 64 * 1024 * 1024  # longer lines than any broker of ours sends
BLOCKS_AHEAD = 64  # delivered blocks that wait to be taken before reading stops


class NoBroker(Exception):
    """No broker was reached at any of the addresses. The text says so and what to do."""


class ConnectionLost(Exception):
    """The connection ended. Requests without a reply may have been carried out or not."""


class RequestRefused(Exception):
    """The broker did not carry the request out. `reason` is for programs, the text for people."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Connection:
    """A connection to the first broker that answers.

    Replies are matched with their requests by id, so any number may be under way. Reading
    stops while `BLOCKS_AHEAD` delivered blocks wait to be taken, unless a reply is awaited.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._deliveries: asyncio.Queue[Delivered | None] = asyncio.Queue()
        self._wanted = asyncio.Event()  # a block has been taken, or a reply is awaited
        self._lost: Exception | None = None
        self._receiving = asyncio.get_running_loop().create_task(self._receive())

    @classmethod
    async def open(cls, brokers: Sequence[Address], timeout_s: float = 10.0) -> Self:
        """Connect to the first of `brokers` that answers.

        Raises:
            NoBroker: none of them does.
        """
        faults = []
        for address in brokers:
            try:
                async with asyncio.timeout(timeout_s):
                    streams = await asyncio.open_connection(
                        address.host, address.port, limit=LINE_LIMIT_BYTES
                    )
                return cls(*streams)
            except TimeoutError:
                faults.append(f"{address} did not answer within {timeout_s:g} s")
            except OSError as error:
                faults.append(f"{address}: {os.strerror(error.errno) if error.errno else error}")
        raise NoBroker(
            f"no broker was reached ({'; '.join(faults)}); start one with `pubsub broker`, or"
            " name another with --connect HOST:PORT"
        )

    async def ask(self, request: AnyRequest) -> Reply:
        """Send `request` and return its reply.

        Cancelling the wait does not take the request back.

        Raises:
            RequestRefused: it was not carried out.
            ConnectionLost: it is not known whether it was.
        """
        reply = self.send(request)
        await self.flush()
        return await reply

    def send(self, request: AnyRequest) -> asyncio.Future[Reply]:
        """Send `request` and return the future of its reply."""
        request.id = number = next(self._ids)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._lost is not None:
            future.set_exception(self._lost)
        else:
            self._waiting[number] = future
            self._wanted.set()
            self._writer.write(encode(request))
        return future

    async def flush(self) -> None:
        """Return when what was sent is on its way, or few enough bytes still wait."""
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise ConnectionLost(str(error)) from error

    async def delivery(self) -> Delivered:
        """Return the next delivered block.

        Raises:
            ConnectionLost: there are no more; the text says why.
        """
        block = await self._deliveries.get()
        self._wanted.set()
        if block is None:
            self._deliveries.put_nowait(None)
            assert self._lost is not None
            raise self._lost
        return block

    async def close(self) -> None:
        """Close the connection; requests without a reply are left unanswered."""
        self._receiving.cancel()
        self._writer.close()
        await asyncio.gather(self._receiving, self._writer.wait_closed(), return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def _receive(self) -> None:
        lost = ConnectionLost("the broker closed the connection")
        try:
            while line := await self._reader.readline():
                incoming = decode(line)
                if isinstance(incoming, Unread | Broadcast):
                    self._deliveries.put_nowait(incoming)
                    await self._until_wanted()
                elif isinstance(incoming, Error) and not isinstance(incoming.id, int):
                    lost = ConnectionLost(incoming.message)  # a notice: the broker will close
                else:
                    self._answer(incoming)
        except (OSError, ValueError) as error:
            lost = ConnectionLost(f"the connection broke: {error}")
        finally:
            self._lost = lost
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(lost)
                    future.exception()  # whoever waits sees it; nobody has to
            self._deliveries.put_nowait(None)

    async def _until_wanted(self) -> None:
        """Return when few enough blocks wait to be taken, or a reply is awaited."""
        while self._deliveries.qsize() >= BLOCKS_AHEAD and not self._waiting:
            self._wanted.clear()
            await self._wanted.wait()

    def _answer(self, reply: Reply) -> None:
        future = self._waiting.pop(reply.id, None) if isinstance(reply.id, int) else None
        if future is None or future.done():
            return
        if isinstance(reply, Error):
            future.set_exception(RequestRefused(reply.reason, reply.message))
            future.exception()
        else:
            future.set_result(reply)
