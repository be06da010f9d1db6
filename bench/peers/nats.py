"""NATS JetStream: its wire, as far as the works need it."""

import json
import re
import socket
from typing import Any, ClassVar

from bench.checking import Wrong
from bench.dialect import Lines
from bench.messages import MARK, MESSAGE_BYTES, texts
from bench.wire import PATIENCE_S, Address, connected

_INBOX = "answers"
_FLOW = re.compile(rb"HMSG \S+ \d+ (\S+) \d+ \d+\r\nNATS/1.0 100 FlowControl")
_HELLO = (
    b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\nPING\r\n'
)
_TAIL_BYTES = 400  # of what came before, where a request may have begun
HEARTBEAT_NS = 30_000_000_000


def signed_in(address: Address) -> socket.socket:
    """Return a connection that the server has said PONG on."""
    opened = connected(address)
    opened.sendall(_HELLO)
    _read_to(opened, b"PONG\r\n")
    return opened


def ask(opened: socket.socket, subject: str, body: dict[str, Any]) -> None:
    """Ask JetStream for something, which must succeed."""
    inbox, payload = f"{_INBOX}.{subject.replace('.', '-').strip('$')}", json.dumps(body)
    opened.sendall(f"SUB {inbox} 9\r\nUNSUB 9 1\r\n".encode())
    opened.sendall(f"PUB {subject} {inbox} {len(payload)}\r\n{payload}\r\n".encode())
    answer = _read_to(opened, b"}\r\n")
    if b'"error"' in answer:
        raise Wrong(f"{subject} was refused: {answer[:300]!r}")


def make_stream(address: Address, topic: str) -> None:
    """Make a stream, on disk, for the subject `topic`."""
    with signed_in(address) as opened:
        stream = {"name": topic, "subjects": [topic], "storage": "file", "retention": "limits"}
        ask(opened, f"$JS.API.STREAM.CREATE.{topic}", stream | {"num_replicas": 1})


class Nats:
    """How a publisher speaks to it; its account is its number, which its inbox has too."""

    mark: ClassVar[bytes] = b"}"  # ends an answer

    def open(self, address: Address, account: str) -> socket.socket:
        opened = signed_in(address)
        opened.sendall(f"SUB {_INBOX}.{account} 1\r\nPING\r\n".encode())
        _read_to(opened, b"PONG\r\n")
        return opened

    def lines(self, topic: str, publisher: int, count: int) -> Lines:
        start = f"PUB {topic} {_INBOX}.{publisher} {MESSAGE_BYTES}\r\n"
        return Lines((f"{start}{message}\r\n" for message in texts(publisher, count)), count)

    def check(self, answers: bytes, count: int) -> None:
        found = re.findall(rb'\{"stream":"[^"]*", ?"seq":(\d+)\}', answers)
        seqs = [int(seq) for seq in found]
        if len(seqs) != count or seqs != sorted(set(seqs)):
            raise Wrong(f"{count} publishes had {len(seqs)} seqs: {answers[:200]!r}")


class NatsReader:
    """A subscriber with a consumer of its own, which the server pushes to.

    As in NATS's own ordered consumers nothing is acknowledged, and flow control keeps the
    server from cutting off who is slow.
    """

    def __init__(self, address: Address, topic: str, *, from_start: bool) -> None:
        self.socket = signed_in(address)
        self._topic = topic
        self._tail = b""
        self._subject = f"deliver.{self.socket.getsockname()[1]}"
        self._from_start = from_start
        self.socket.sendall(f"SUB {self._subject} 1\r\n".encode())
        if not from_start:
            self._consume()

    def start(self) -> None:
        """Ask for messages, where they are not on their way already."""
        if self._from_start:
            self._consume()

    def take(self, piece: memoryview) -> int:
        """Take bytes, answer what keeps the flow going; return how many messages there were."""
        data = bytes(piece)
        if b"FlowControl" in self._tail + data[:_TAIL_BYTES] or b"FlowControl" in data:
            for subject in _FLOW.findall(self._tail + data):
                self.socket.sendall(b"PUB %s 0\r\n\r\n" % subject)
            self._tail = b""
        self._tail = (self._tail + data[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        return data.count(MARK)

    def _consume(self) -> None:
        config = {
            "deliver_subject": self._subject,
            "deliver_policy": "all" if self._from_start else "new",
            "ack_policy": "none",
            "replay_policy": "instant",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "flow_control": True,
            "idle_heartbeat": HEARTBEAT_NS,
        }
        subject = f"$JS.API.CONSUMER.CREATE.{self._topic}"
        body = json.dumps({"stream_name": self._topic, "config": config})
        self.socket.sendall(f"PUB {subject} {self._subject} {len(body)}\r\n{body}\r\n".encode())
        if not self._from_start:
            answer = _read_to(self.socket, b"}\r\n")
            if b'"error"' in answer:
                raise Wrong(f"a consumer was refused: {answer[:300]!r}")


def _read_to(opened: socket.socket, end: bytes) -> bytes:
    """Return what comes until `end` has."""
    opened.settimeout(PATIENCE_S)
    data = b""
    while end not in data:
        more = opened.recv(65536)
        if not more:
            raise Wrong(f"NATS closed the connection after {data[-200:]!r}")
        data += more
    return data
