"""The bare sender: the same bytes to as many readers, with nothing decided on the way."""

import socket
from dataclasses import dataclass, field
from threading import Thread
from typing import ClassVar

from bench.messages import broadcast_line, texts
from bench.wire import PATIENCE_S, Address


@dataclass
class Sender:
    """A job: write `count` delivery lines, `block` of them at a time, to each reader."""

    role: ClassVar[str] = "publishers"
    readers: int
    count: int
    block: int
    _accepting: Thread | None = field(default=None, init=False)
    _sockets: list[socket.socket] = field(default_factory=list, init=False)
    _frames: list[bytes] = field(default_factory=list, init=False)

    def prepare(self) -> Address:
        """Listen; return where. The readers connect before the run, thousands of them at once."""
        lines = [broadcast_line(message) for message in texts(0, self.count)]
        starts = range(0, self.count, self.block)
        self._frames = [b"".join(lines[start : start + self.block]) for start in starts]
        listener = socket.create_server(("127.0.0.1", 0), backlog=self.readers)
        self._accepting = Thread(target=self._accept, args=(listener,), daemon=True)
        self._accepting.start()
        host, port = listener.getsockname()
        return host, port

    def run(self) -> list[tuple[int, int]]:
        assert self._accepting is not None
        self._accepting.join()
        for frame in self._frames:
            for reader in self._sockets:
                reader.sendall(frame)
        return []

    def check(self) -> None:
        """Close, so that the readers see that this was all."""
        for reader in self._sockets:
            reader.close()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while len(self._sockets) < self.readers:
                reader, _ = listener.accept()
                reader.settimeout(PATIENCE_S)
                self._sockets.append(reader)
