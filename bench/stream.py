"""The bytes that all subscribers of a topic get: kept once, compared with for all others."""

import socket
import time

from bench.checking import Wrong
from bench.messages import MARK, MESSAGE_BYTES

_PIECE_BYTES = 256 << 10  # taken at once; small enough to stay in the processor's cache
_PAGE_BYTES = 4096
_LINE_BYTES = MESSAGE_BYTES + 40  # a message with what stands around it


class CommonStream:
    """What every reader must have got, up to the one that is furthest ahead.

    Keeping the bytes of a hundred readers would cost more than the broker's own work.
    Instead whoever is ahead receives into the stream, and what the others get is compared
    with it, which takes a fraction of the time the kernel takes to hand it over. The stream
    itself is checked when the time is not taken any more. It is complete with message
    `messages`.
    """

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._bytes = bytearray(messages * _LINE_BYTES + _PIECE_BYTES)
        # Touched now, so that the kernel does not have to find the memory while bytes come.
        self._bytes[::_PAGE_BYTES] = b"\1" * len(self._bytes[::_PAGE_BYTES])
        self._behind = memoryview(bytearray(_PIECE_BYTES))  # for readers that are not ahead
        self.size = 0
        self.count = 0  # messages so far
        self.moments: list[tuple[int, int]] = []  # when how many had come

    @property
    def complete(self) -> bool:
        return self.count >= self._messages and self._bytes[self.size - 1] == ord("\n")

    @property
    def data(self) -> bytes:
        return bytes(memoryview(self._bytes)[: self.size])

    def receive(self, reader: socket.socket, place: int) -> int:
        """Take what `reader`, which is at `place`, can get now; return its new place.

        The place is the old one where its connection has been closed.

        Raises:
            Wrong: another reader got something else there.
        """
        if place < self.size:
            received = reader.recv_into(self._behind)
            return self.take(place, self._behind[:received])
        self._make_room()
        with memoryview(self._bytes) as whole:
            received = reader.recv_into(whole[place:])
        if received:
            self._grown(received)
        return place + received

    def take(self, place: int, piece: memoryview) -> int:
        """Compare `piece` with what is known from `place` on, and keep what goes further."""
        known = min(self.size - place, len(piece))
        if not self._bytes.startswith(piece[:known], place):
            raise Wrong(f"two subscribers got different bytes after byte {place}")
        if known < len(piece):
            self._make_room()
            self._bytes[self.size : self.size + len(piece) - known] = piece[known:]
            self._grown(len(piece) - known)
        return place + len(piece)

    def _make_room(self) -> None:
        if len(self._bytes) - self.size < _PIECE_BYTES:
            self._bytes += bytes(len(self._bytes) // 2)

    def _grown(self, added: int) -> None:
        before, self.size = self.size, self.size + added
        self.count += self._bytes.count(MARK, before, self.size)
        self.moments.append((time.monotonic_ns(), self.count))
