"""Cut a stream of bytes into lines, holding at most one line in memory.

The splitter is fed whatever the socket gave and returns what has become whole. It knows
neither sockets nor JSON, so a test can try every way of cutting a stream.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineTooLong:
    """Stands among the lines where one was over the limit; its bytes are gone."""

    limit: int


class LineSplitter:
    """Bytes in, whole lines out, without their newline and in order.

    A line over `limit` bytes (its newline not counted) comes out as one `LineTooLong` when
    its newline arrives. Its bytes are dropped on arrival: a peer that never sends a newline
    costs no more memory than one that does.
    """

    __slots__ = ("_limit", "_partial", "_skipping")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._partial = bytearray()  # the line still arriving, never above the limit
        self._skipping = False  # inside a line that is already too long

    def feed(self, data: bytes) -> list[bytes | LineTooLong]:
        """Return the lines that `data` completes."""
        first, *others = data.split(b"\n")
        if not others:
            self._keep(first)
            return []
        rest = others.pop()
        lines: list[bytes | LineTooLong] = [first, *others]
        if self._partial or self._skipping:
            lines[0] = self._complete(first)
        if len(data) > self._limit:
            lines = [self._bounded(line) for line in lines]
        self._keep(rest)
        return lines

    def end(self) -> list[bytes | LineTooLong]:
        """Return the line that the end of the stream leaves without a newline, if any."""
        if not self._partial and not self._skipping:
            return []
        return [self._complete(b"")]

    def _complete(self, ending: bytes) -> bytes | LineTooLong:
        skipped, line = self._skipping, bytes(self._partial) + ending
        self._partial, self._skipping = bytearray(), False
        return LineTooLong(self._limit) if skipped else self._bounded(line)

    def _bounded(self, line: bytes | LineTooLong) -> bytes | LineTooLong:
        if isinstance(line, LineTooLong) or len(line) <= self._limit:
            return line
        return LineTooLong(self._limit)

    def _keep(self, rest: bytes) -> None:
        if self._skipping:
            return
        if len(self._partial) + len(rest) > self._limit:
            self._partial, self._skipping = bytearray(), True
        else:
            self._partial += rest
