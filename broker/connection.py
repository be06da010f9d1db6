"""One socket: bytes in, lines to the session, and bytes out, with one high-water mark."""

import array
import asyncio
import fcntl
import logging
import socket
import sys
import termios
from typing import Protocol, cast

from broker.events import Event
from broker.hub import Hub
from broker.session import Session
from broker.tls import HANDSHAKE_BYTE, RECORD_BYTES, TAKES_NO_TLS, TlsEnd
from protocol.lines import LineSplitter
from protocol.replies import notice_v1

FIRST_LOOK_S = 0.001  # until the first look whether a closing peer has taken everything
LONGEST_LOOK_S = 0.1
QUIET_S = 0.5  # after which a peer that was told to go is taken to send no more
SLOW_S = 5.0  # with a full buffer, until that is told

_logger = logging.getLogger("pubsub.connection")


class Owner(Protocol):
    """Who is told of a connection's beginning and end."""

    def made(self, connection: "Connection") -> None: ...

    def gone(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """A client's connection.

    Unsent bytes wait in the transport's buffer. Over `high_water_bytes` it is `congested`:
    deliveries stop until it has drained, and so do requests, whose answers nobody reads.
    """

    __slots__ = (
        "_congestion",
        "_finishing",
        "_heard",
        "_hub",
        "_owner",
        "_reading",
        "_slow",
        "_splitter",
        "_told_to_go",
        "_transport",
        "congested",
        "received",
        "session",
        "written",
    )

    def __init__(
        self,
        hub: Hub,
        owner: "Owner",
    ) -> None:
        self._hub = hub
        self._owner = owner
        self._splitter = LineSplitter(hub.settings.line_bytes)
        self._reading = True
        self._heard = False
        self._finishing = False
        self._told_to_go = False  # our side of the stream has ended
        self.congested = False
        self._congestion: asyncio.TimerHandle | None = None  # until it is told, None when it was
        self._slow = False
        self.written = 0
        self.received = 0  # bytes, as written
        self.session = Session(hub, self)

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._hub.settings.high_water_bytes)
        self._owner.made(self)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if not self._heard:
            self._heard = True
            if data[0] == HANDSHAKE_BYTE:
                text = f"{self.source} came with TLS, which this port takes not"
                self._hub.seldom.tell(Event.TURNED_AWAY, text)
                self.turn_away(TAKES_NO_TLS)
                return
        self.session.receive(self._splitter.feed(data))

    def eof_received(self) -> bool:
        self.session.receive(self._splitter.end())
        self.session.receive_eof()
        return not self._told_to_go  # the other direction stays open until everything is answered

    def pause_writing(self) -> None:
        self.congested = True
        loop = asyncio.get_running_loop()
        self._congestion = loop.call_later(SLOW_S, self._tell_slow)

    def resume_writing(self) -> None:
        self.congested = False
        self._tell_reads_on()
        # Requests first: a long backlog would fill the buffer again before they had a turn.
        self.session.work()
        reader = self.session.reader
        if reader is not None:
            self._hub.delivery.advance(reader)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            _logger.debug("connection lost: %s", error)
        if self._congestion is not None:
            self._congestion.cancel()
        self.session.end()
        self._owner.gone(self)

    # what the session asks

    def write(self, data: bytes) -> None:
        """Send `data`, or throw it away where the connection is closing already."""
        if self._transport.is_closing():
            return
        self.written += len(data)
        self._transport.write(data)

    def pause_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    @property
    def queued(self) -> int:
        """Bytes written that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def peer(self) -> str:
        """Where the other side is: HOST:PORT."""
        host, port = self._transport.get_extra_info("peername", ("", 0))[:2]
        return f"{host}:{port}"

    def acknowledged(self) -> int:
        """Return how many of the written bytes the peer's TCP has acknowledged.

        Once the connection is closing its buffers are thrown away and tell nothing any
        more, so then this is 0. Under TLS it may be less than that by a record: of one that
        has not arrived whole the peer cannot read a byte.
        """
        if self._transport.is_closing():
            return 0
        under_way = self._transport.get_write_buffer_size() + self._unacknowledged()
        if under_way and isinstance(self._transport, TlsEnd):
            under_way += RECORD_BYTES
        return self.written - under_way

    def finish(self) -> None:
        """Close once the peer has acknowledged all that was written.

        What it still sends is thrown away until it has stopped: the system would answer that
        with a reset, which takes back the answers that the peer has not looked at.
        A peer that ended its stream may take as long as it likes: it asked for all of it. Who
        is told to go, and takes nothing more for `stop_wait_s`, is given up.
        """
        if not self._finishing:
            self._finishing = True
            self._look(FIRST_LOOK_S, 0, asyncio.get_running_loop().time())

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        self._transport.abort()

    def turn_away(self, why: str) -> None:
        """Say in one line why this connection is not served, and close it.

        What the peer sends until it has heard that is taken and thrown away, within a bounded
        time: a socket that is closed before takes the line back.
        """
        self.session.end()
        self.write(notice_v1(why))
        if self._transport.can_write_eof():
            self._hear_out(self._hub.settings.stop_wait_s)
        else:
            self.finish()

    @property
    def known(self) -> bool:
        """Whether somebody has signed in."""
        return self.session.account is not None

    @property
    def source(self) -> str:
        """The address that the peer connects from."""
        return str((self._transport.get_extra_info("peername") or ["somebody"])[0])

    def _tell_slow(self) -> None:
        """Say that it has not read for a while. A full buffer alone is no news: each backlog
        fills it, for some moments."""
        self._congestion, self._slow = None, True
        text = f"{self._who} reads slowly: for {SLOW_S:g} s {self.queued:,} bytes wait for it"
        self._hub.seldom.tell(Event.SLOW_READER, text, logging.WARNING)

    def _tell_reads_on(self) -> None:
        if self._congestion is not None:
            self._congestion.cancel()
            self._congestion = None
        if self._slow:
            self._slow = False
            self._hub.seldom.tell(Event.READS_ON, f"{self._who} reads on")

    @property
    def _who(self) -> str:
        account = self.session.account
        return f"{account.email if account else 'somebody'} from {self.source}"

    def _look(self, pause_s: float, taken: int, since: float) -> None:
        """Close if everything has arrived, else look again a little later.

        At `since` the peer had acknowledged `taken` bytes.
        """
        if self._transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        self.session.confirm()
        acknowledged = self.acknowledged()
        if acknowledged > taken:
            taken, since = acknowledged, loop.time()
        if acknowledged >= self.written:
            if self.session.eof or not self._transport.can_write_eof():
                self._transport.close()
            else:
                self._hear_out(QUIET_S)
        elif self._broken or (
            not self.session.eof and loop.time() - since > self._hub.settings.stop_wait_s
        ):
            self._transport.abort()
        else:
            loop.call_later(pause_s, self._look, min(2 * pause_s, LONGEST_LOOK_S), taken, since)

    def _hear_out(self, quiet_s: float) -> None:
        """End our side, and close when the peer has ended its own or is quiet for so long.

        One that goes on sending is given up after `stop_wait_s`.
        """
        self._told_to_go = True
        self._transport.write_eof()
        self.resume_reading()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._hub.settings.stop_wait_s
        loop.call_later(quiet_s, self._hear, quiet_s, self.received, end)

    def _hear(self, quiet_s: float, received: int, end: float) -> None:
        """Close if nothing came since `received` bytes had, or at `end`, else hear it further."""
        loop = asyncio.get_running_loop()
        if self.received == received or loop.time() >= end:
            self._transport.abort()
        elif not self._transport.is_closing():
            loop.call_later(quiet_s, self._hear, quiet_s, self.received, end)

    @property
    def _broken(self) -> bool:
        """Whether the connection has failed. After the end of a stream asyncio does not look."""
        sock = self._transport.get_extra_info("socket")
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _unacknowledged(self) -> int:
        """Return the bytes in the kernel that the peer has not acknowledged.

        Only Linux tells (tcp(7), SIOCOUTQ); elsewhere what the kernel took counts as arrived.
        """
        if not sys.platform.startswith("linux"):
            return 0
        waiting = array.array("i", [0])
        fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, waiting)
        return waiting[0]
