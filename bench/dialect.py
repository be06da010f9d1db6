"""What differs between the servers that a publisher's load can be put on: the bytes, no more.

The loop that sends and counts is the same for all, so that none has a leaner client.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Protocol

from bench.checking import Wrong, check_success
from bench.messages import is_success, publish_v1, publish_v2, texts
from bench.wire import Address, connected, read_lines, request


class Lines:
    """Requests of the same length each, one for each message of a publisher."""

    def __init__(self, requests: Iterator[str], count: int) -> None:
        self._bytes = memoryview("".join(requests).encode())
        self._each = len(self._bytes) // count
        self.count = count

    def between(self, first: int, end: int) -> memoryview:
        """Return the requests for the messages from `first` up to, not including, `end`."""
        return self._bytes[first * self._each : end * self._each]


class Dialect(Protocol):
    """How a server is spoken to by whoever publishes."""

    mark: ClassVar[bytes]  # stands once in every answer to a publish

    def open(self, address: Address, account: str) -> socket.socket:
        """Return a connection on which `account` can publish."""

    def lines(self, topic: str, publisher: int, count: int) -> Lines:
        """Return what publishes the first `count` messages of `publisher`."""

    def check(self, answers: bytes, count: int) -> None:
        """Check that `answers` are `count` successes, in order, and no more."""


@dataclass(frozen=True)
class Pubsub:
    """Our own wire, in one of its versions."""

    mark: ClassVar[bytes] = b"\n"
    version: int

    def open(self, address: Address, account: str) -> socket.socket:
        opened = connected(address)
        opened.sendall(request("connect", user_email=account, version=self.version))
        check_success(read_lines(opened, 1)[0])
        return opened

    def lines(self, topic: str, publisher: int, count: int) -> Lines:
        publish = publish_v1 if self.version == 1 else publish_v2
        messages = enumerate(texts(publisher, count))
        return Lines((publish(topic, number, message) for number, message in messages), count)

    def check(self, answers: bytes, count: int) -> None:
        lines = answers.split(b"\n")
        if len(lines) != count + 1 or lines[-1]:
            raise Wrong(f"{count} publishes had {len(lines) - 1} answers")
        for number, line in enumerate(islice(lines, count)):
            if not is_success(line, number, self.version):
                raise Wrong(f"message {number} was answered with {line[:200]!r}")
