"""Subscribers: any number of connections that read as fast as bytes come."""

import selectors
import socket
from dataclasses import dataclass, field
from typing import ClassVar

from bench.checking import Wrong, check_order, check_success, messages_v1, messages_v2
from bench.stream import CommonStream
from bench.wire import PATIENCE_S, Address, connected, read_lines, request


@dataclass
class Subscribers:
    """A job: read what `publishers` publish, `each` so many, on several connections.

    Each connection begins with its line or lines of `openings`, which have `replies`
    successes. Those that are not `live` send them as part of the run, so that what is timed
    is the whole of coming back. Without openings whoever is connected to just sends.
    """

    role: ClassVar[str] = "subscribers"
    address: Address
    version: int
    openings: list[bytes]
    replies: int
    publishers: int
    each: int
    live: bool = True
    _readers: "list[_Reader]" = field(default_factory=list, init=False)
    _stream: CommonStream | None = field(default=None, init=False)

    def prepare(self) -> None:
        self._stream = CommonStream(self.publishers * self.each)
        for opening in self.openings:
            reader = _Reader(connected(self.address))
            self._readers.append(reader)
            if self.live and opening:
                reader.socket.sendall(opening)
                for line in read_lines(reader.socket, self.replies):
                    check_success(line)

    def run(self) -> list[tuple[int, int]]:
        """Read until every connection has all; return when how many messages had come."""
        assert self._stream is not None
        if not self.live:
            for reader, opening in zip(self._readers, self.openings, strict=True):
                reader.socket.sendall(opening)
        _read_all(self._readers, self._stream)
        return self._stream.moments

    def check(self) -> int:
        """Check all that came, and that nothing is left; return how many lines it was."""
        assert self._stream is not None
        for reader, opening in zip(self._readers, self.openings, strict=True):
            reader.check_end(self._stream.size, asks=bool(opening))
        lines = self._stream.data.splitlines()
        if not self.live:
            for line in lines[: self.replies]:
                check_success(line)
            del lines[: self.replies]
        messages_of = messages_v1 if self.version == 1 else messages_v2
        messages = messages_of(lines, "broadcast" if self.live else "unread")
        check_order(messages, publishers=self.publishers, each=self.each)
        return len(lines)


def _read_all(readers: "list[_Reader]", stream: CommonStream) -> None:
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader.socket, selectors.EVENT_READ, reader)
        left = len(readers)
        while left:
            ready = selector.select(PATIENCE_S)
            if not ready:
                raise Wrong(
                    f"lost: {left} subscribers have had nothing for {PATIENCE_S:g} s; the one"
                    f" that is furthest has {stream.count} messages"
                )
            for key, _ in ready:
                if key.data.take(stream):
                    selector.unregister(key.fileobj)
                    left -= 1


class _Reader:
    """One connection, and how far in the common stream it is."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self._place = 0

    def take(self, stream: CommonStream) -> bool:
        """Take what has come; return whether that was the last of it."""
        before, self._place = self._place, stream.receive(self.socket, self._place)
        if self._place == before:
            raise Wrong(f"the broker closed a subscriber's connection at byte {before}")
        return self._place >= stream.size and stream.complete

    def check_end(self, end: int, *, asks: bool) -> None:
        """Check that this was all: the answer to one more request comes right after it."""
        if self._place != end:
            raise Wrong(f"a subscriber got {self._place} bytes of {end}")
        if asks:
            self.socket.sendall(request("list_topics"))
            (line,) = read_lines(self.socket, 1)
            if not line.startswith(b'{"action":"list_topics"'):
                raise Wrong(f"more came than was published: {line[:120]!r}")
        elif self.socket.recv(1):
            raise Wrong("more came than was sent")
        self.socket.close()
