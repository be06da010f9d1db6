"""One connection to a broker: lines out, lines in, and how it ends.

It knows version 2's lines and nothing of what they are for. Nothing is tried again here.
"""

import asyncio
import os
import re
import socket
import ssl
from typing import Protocol, cast

from clients.address import Address
from clients.errors import NoBroker
from clients.trust import not_trusted
from protocol.incoming import Broadcast, Delivered, Notice, Reply, Unread, decode
from protocol.lines import LineSplitter, LineTooLong
from protocol.replies import Error, Gap, TopicDeleted

LINE_LIMIT_BYTES = 64 * 1024 * 1024  # longer lines than any broker of ours sends
CLOSING_S = 1.0  # what was written has this long to go out


class Receiver(Protocol):
    """Who hears what comes in, in the order in which it comes."""

    def delivered(self, block: Delivered, size: int) -> None:
        """A block of messages, from a line of `size` bytes."""

    def noticed(self, notice: Notice) -> None:
        """What there is to know of a topic, in its place among the deliveries."""

    def answered(self, reply: Reply) -> None:
        """The reply to the request that has its id."""

    def lost(self) -> None:
        """The connection has ended; nothing comes any more."""


class Link(asyncio.Protocol):
    """An open connection. `lost` is done when it has ended, with the reason in words.

    `notice` is the error line with which the broker announced that it would close.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._splitter = LineSplitter(LINE_LIMIT_BYTES)
        self._fault = ""
        self.paused = False
        self.heard = 0  # times that something came in
        self.notice: Error | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        try:
            for line in self._splitter.feed(data):
                self._take(line)
                if self._fault:
                    return  # aborted: what stands behind it is not looked at
        except (ValueError, RecursionError) as error:
            # The error may quote what came, which can be anything.
            self.abort(f"it does not speak version 2 of the protocol: {ascii(str(error))[1:120]}")

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost.done():
            self._receiver.lost()
            notice = self.notice.message if self.notice is not None else ""
            told = notice or self._fault or (str(error) if error else "")
            self.lost.set_result(told or "the broker closed the connection")

    # what the client does

    def write(self, lines: bytes) -> None:
        """Send whole lines; after the end of the connection they go nowhere."""
        if not self._transport.is_closing():
            self._transport.write(lines)

    def pause(self) -> None:
        """Read nothing more until `resume`: what is here has to be taken first."""
        if not self.paused and not self._transport.is_closing():
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self.paused and not self._transport.is_closing():
            self.paused = False
            self.heard += 1  # it could not be heard, which is not the same as being silent
            self._transport.resume_reading()

    def abort(self, why: str) -> None:
        """End the connection at once, for the reason `why`."""
        self._fault = self._fault or why
        self._transport.abort()

    async def close(self) -> None:
        """Send what was written and end the connection; cancelling that ends it at once."""
        self._transport.close()
        try:
            await asyncio.wait([self.lost], timeout=CLOSING_S)
        finally:
            self._transport.abort()  # a peer that reads nothing would keep it open
        await asyncio.wait([self.lost])

    def _take(self, line: bytes | LineTooLong) -> None:
        if isinstance(line, LineTooLong):
            raise ValueError(f"a line is longer than {line.limit} bytes")
        incoming = decode(line)
        if isinstance(incoming, Unread | Broadcast):
            self._receiver.delivered(incoming, len(line))
        elif isinstance(incoming, Gap | TopicDeleted):
            self._receiver.noticed(incoming)
        elif isinstance(incoming, Error) and not isinstance(incoming.id, int | str):
            self.notice = incoming  # the broker is about to close
            if not incoming.reason:
                self.abort(incoming.message)  # it does not know us, nor that we are to be served
        elif not isinstance(incoming.id, int | str):
            raise ValueError("a reply has no id")
        else:
            self._receiver.answered(incoming)


async def open_link(
    address: Address, receiver: Receiver, timeout_s: float, tls: ssl.SSLContext | None = None
) -> Link:
    """Connect to `address`, with TLS where `tls` is given.

    Raises:
        NoBroker: nothing answers there.
        BrokerNotTrusted: something does, which may not be the broker.
    """
    try:
        async with asyncio.timeout(timeout_s):
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: Link(receiver), address.host, address.port, ssl=tls
            )
    except TimeoutError as error:
        raise NoBroker(f"{address}: no answer within {timeout_s:g} s") from error
    except ssl.SSLError as error:
        raise not_trusted(address, address.host, error) from error
    except OSError as error:
        raise NoBroker(f"{address}: {_plain(error)}") from error
    except ValueError as error:
        raise NoBroker(f"{str(address)[:100]!r} cannot be connected to: {error}") from error
    return link


def _plain(error: OSError) -> str:
    """Say what is wrong without the numbers and the addresses, which the sentence has."""
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    # Where a name stands for several addresses, one error tells of all of them.
    numbers = [error.errno] if error.errno else map(int, re.findall(r"\[Errno (\d+)\]", str(error)))
    return ", ".join(dict.fromkeys(map(os.strerror, numbers))) or str(error)
