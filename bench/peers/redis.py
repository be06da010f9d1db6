"""Redis Streams: its wire, as far as the works need it."""

import re
import socket
from typing import ClassVar

from bench.checking import Wrong
from bench.dialect import Lines
from bench.messages import MARK, MESSAGE_BYTES, texts
from bench.wire import Address, connected

_AT_ONCE = 1_000  # messages in a reply to a reader
_HEAD = re.compile(rb"\*1\r\n\*2\r\n\$\d+\r\n[^\r]+\r\n\*(\d+)\r\n")
_ID = re.compile(rb"\$\d+\r\n(\d+-\d+)\r\n\*2\r\n\$1\r\nm\r\n\Z")
_BODY_BYTES = len(f"${MESSAGE_BYTES}\r\n") + MESSAGE_BYTES + 2


def command(*words: str) -> str:
    """Return a command as it goes over the wire."""
    parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
    return "".join(parts)


class Redis:
    """How a publisher speaks to it."""

    mark: ClassVar[bytes] = b"$"  # an id is a string, and its length begins with it

    def open(self, address: Address, account: str) -> socket.socket:
        return connected(address)

    def lines(self, topic: str, publisher: int, count: int) -> Lines:
        messages = texts(publisher, count)
        return Lines((command("XADD", topic, "*", "m", message) for message in messages), count)

    def check(self, answers: bytes, count: int) -> None:
        ids = re.findall(rb"\$\d+\r\n(\d+)-(\d+)\r\n", answers)
        numbers = [(int(first), int(second)) for first, second in ids]
        if len(numbers) != count or numbers != sorted(set(numbers)) or answers.count(b"-E"):
            raise Wrong(f"{count} XADD had {len(numbers)} ids, or not in order: {answers[:100]!r}")


class RedisReader:
    """A subscriber that asks for what comes after the last it has, as often as it gets some."""

    def __init__(self, address: Address, topic: str, *, from_start: bool) -> None:
        self.socket = connected(address)
        self._topic = topic
        self._reply = bytearray()  # the one that is arriving
        self._wanted: int | None = None  # messages in it
        self._marks = 0
        self._last = "0-0" if from_start else self._newest()

    def start(self) -> None:
        """Ask for the first messages."""
        self._ask()

    def take(self, piece: memoryview) -> int:
        """Take bytes, ask for more where that is due; return how many messages there were."""
        before = len(self._reply)
        self._reply += piece
        count = self._reply.count(MARK, before)
        self._marks += count
        if self._wanted is None:
            head = _HEAD.match(self._reply)
            if head is not None:
                self._wanted = int(head[1])
        if self._marks == self._wanted and self._reply.endswith(b"\r\n"):
            self._next()
        return count

    def _next(self) -> None:
        """The reply is whole: remember its last id and ask for what comes after."""
        found = _ID.search(self._reply[-_BODY_BYTES - 100 : -_BODY_BYTES])
        if found is None:
            raise Wrong(f"no id in {bytes(self._reply[-200:])!r}")
        self._last = found[1].decode()
        self._reply.clear()
        self._wanted, self._marks = None, 0
        self._ask()

    def _ask(self) -> None:
        words = ("XREAD", "COUNT", str(_AT_ONCE), "BLOCK", "0", "STREAMS", self._topic, self._last)
        self.socket.sendall(command(*words).encode())

    def _newest(self) -> str:
        self.socket.sendall(command("XREVRANGE", self._topic, "+", "-", "COUNT", "1").encode())
        ids = re.findall(rb"\$\d+\r\n(\d+-\d+)\r\n", self.socket.recv(65536))
        return ids[0].decode() if ids else "0-0"
