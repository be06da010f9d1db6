"""Publishers: each keeps so many publishes in flight, or sends one every so often."""

import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import ClassVar

from bench.checking import Wrong
from bench.dialect import Dialect, Lines
from bench.wire import PATIENCE_S, Address

_CHUNK_BYTES = 1 << 20


@dataclass
class Publishers:
    """A job: every account publishes `each` messages on a connection of its own.

    At most `in_flight` publishes of one are unanswered. With `per_s` each sends one message
    at a time, so many a second, without waiting for answers.
    """

    role: ClassVar[str] = "publishers"
    address: Address
    dialect: Dialect
    accounts: list[str]
    topic: str
    each: int
    in_flight: int
    per_s: float | None = None
    first: int = 0  # the number of its first account among all publishers of the run
    _publishers: "list[_Publisher]" = field(default_factory=list, init=False)

    def prepare(self) -> None:
        """Sign in and put all the bytes together."""
        for number, account in enumerate(self.accounts, self.first):
            lines = self.dialect.lines(self.topic, number, self.each)
            opened = self.dialect.open(self.address, account)
            publisher = _Publisher(opened, lines, self.dialect.mark, self.in_flight)
            self._publishers.append(publisher)

    def run(self) -> list[tuple[int, int]]:
        """Publish all; return, where it is paced, when each number was sent."""
        if self.per_s is not None:
            return _publish_paced(self._publishers[0], self.per_s)
        _publish_all(self._publishers)
        return []

    def check(self) -> None:
        """Check that every publish was answered with its success, in order, and no more."""
        for publisher in self._publishers:
            self.dialect.check(publisher.all_answers(), self.each)


def _publish_all(publishers: "list[_Publisher]") -> None:
    buffer = bytearray(_CHUNK_BYTES)
    with selectors.DefaultSelector() as selector:
        for publisher in publishers:
            selector.register(publisher.socket, selectors.EVENT_READ, publisher)
            publisher.send_more(0)
        left = len(publishers)
        while left:
            ready = selector.select(PATIENCE_S)
            if not ready:
                raise Wrong(f"{left} publishers have had no answer for {PATIENCE_S:g} s")
            for key, _ in ready:
                if key.data.take(buffer):
                    selector.unregister(key.fileobj)
                    left -= 1


def _publish_paced(publisher: "_Publisher", per_s: float) -> list[tuple[int, int]]:
    buffer = bytearray(_CHUNK_BYTES)
    sent = []
    start = time.monotonic_ns()
    for number in range(publisher.lines.count):
        pause_ns = start + int(number * 1e9 / per_s) - time.monotonic_ns()
        if pause_ns > 0:
            time.sleep(pause_ns / 1e9)
        sent.append((time.monotonic_ns(), number))
        publisher.send_one()
    while not publisher.take(buffer):
        pass
    return sent


class _Publisher:
    """One connection: always `answered <= sent`, and `sent - answered` at most `in_flight`."""

    def __init__(self, opened: socket.socket, lines: Lines, mark: bytes, in_flight: int) -> None:
        self.socket = opened
        self.lines = lines
        self._mark = mark
        self._in_flight = in_flight
        self._sent = 0
        self._answered = 0
        self._replies = bytearray()  # looked at when the time is not taken any more

    def take(self, buffer: bytearray) -> bool:
        """Take answers and send as many messages; return whether all are answered."""
        received = self.socket.recv_into(buffer)
        if not received:
            raise Wrong(f"the server closed a publisher's connection after {self._answered}")
        self._replies += memoryview(buffer)[:received]
        self.send_more(buffer.count(self._mark, 0, received))
        return self._answered >= self.lines.count

    def send_more(self, answered: int) -> None:
        self._answered += answered
        end = min(self._answered + self._in_flight, self.lines.count)
        if end > self._sent:
            self.socket.sendall(self.lines.between(self._sent, end))
            self._sent = end

    def send_one(self) -> None:
        self.socket.sendall(self.lines.between(self._sent, self._sent + 1))
        self._sent += 1

    def all_answers(self) -> bytes:
        """Return the answers, and what else the server has to say."""
        self.socket.shutdown(socket.SHUT_WR)
        while more := self.socket.recv(_CHUNK_BYTES):
            self._replies += more
        self.socket.close()
        return bytes(self._replies)
