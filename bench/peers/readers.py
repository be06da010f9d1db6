"""Subscribers of other servers, in the loop that ours are in."""

import re
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from bench.checking import Wrong, check_order
from bench.messages import MESSAGE_BYTES
from bench.wire import PATIENCE_S, Address

_PIECE_BYTES = 256 << 10
_MESSAGE = re.compile(rb"\d{4}-\d{10}-x{%d}~" % (MESSAGE_BYTES - 17))


class Reader(Protocol):
    """One connection that reads."""

    socket: socket.socket

    def start(self) -> None:
        """Ask for what is there and what comes."""

    def take(self, piece: memoryview) -> int:
        """Take what has come and ask on; return how many messages that was."""


@dataclass
class PeerSubscribers:
    """A job: read what `publishers` publish, `each` so many, on several connections.

    Those that are `live` are there before the run; the others ask for all there is as part of
    it. What the first of them gets is kept and checked; the messages of the others are
    counted, which costs them less than ours, whose every byte is compared.
    """

    role: ClassVar[str] = "subscribers"
    address: Address
    make: Callable[..., Reader]
    topic: str
    number: int
    publishers: int
    each: int
    live: bool = True
    _readers: list[Reader] = field(default_factory=list, init=False)
    _kept: bytearray = field(default_factory=bytearray, init=False)
    _counts: list[int] = field(default_factory=list, init=False)

    def prepare(self) -> None:
        for _ in range(self.number):
            reader = self.make(self.address, self.topic, from_start=not self.live)
            self._readers.append(reader)
            if self.live:
                reader.start()
        self._counts = [0] * self.number

    def run(self) -> list[tuple[int, int]]:
        """Read until all have all; return when how many had reached the first of them."""
        moments = []
        buffer = memoryview(bytearray(_PIECE_BYTES))
        left, wanted = self.number, self.publishers * self.each
        with selectors.DefaultSelector() as selector:
            for number, reader in enumerate(self._readers):
                selector.register(reader.socket, selectors.EVENT_READ, number)
                if not self.live:
                    reader.start()
            while left:
                ready = selector.select(PATIENCE_S)
                if not ready:
                    raise Wrong(f"lost: {left} subscribers have had nothing for {PATIENCE_S:g} s")
                for key, _ in ready:
                    number = key.data
                    piece = self._received(number, buffer)
                    self._counts[number] += self._readers[number].take(piece)
                    if number == 0:
                        self._kept += piece
                        moments.append((time.monotonic_ns(), self._counts[0]))
                    if self._counts[number] >= wanted:
                        selector.unregister(key.fileobj)
                        left -= 1
        return moments

    def check(self) -> None:
        """Check what the first got, and that none of the others got more."""
        wanted = self.publishers * self.each
        if any(count != wanted for count in self._counts):
            raise Wrong(f"the subscribers got {self._counts} messages and not {wanted} each")
        messages = (found.decode() for found in _MESSAGE.findall(self._kept))
        check_order(messages, publishers=self.publishers, each=self.each)
        for reader in self._readers:
            reader.socket.close()

    def _received(self, number: int, buffer: memoryview) -> memoryview:
        received = self._readers[number].socket.recv_into(buffer)
        if not received:
            raise Wrong(f"a subscriber was cut off after {self._counts[number]} messages")
        return buffer[:received]
