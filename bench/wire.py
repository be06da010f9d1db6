"""A blocking connection to a broker, for what comes before and after the load."""

import json
import socket
from types import TracebackType
from typing import Any, Self

from bench.checking import Wrong, check_success

PATIENCE_S = 60.0  # without a byte for so long, something has been lost

Address = tuple[str, int]


def request(action: str, **keys: Any) -> bytes:
    """Return the line that asks for `action`; `from_` stands for the key `from`."""
    fields = {key.rstrip("_"): value for key, value in keys.items()}
    return json.dumps({"action": action, **fields}).encode() + b"\n"


def connected(address: Address) -> socket.socket:
    """Return a connection that waits at most `PATIENCE_S` for a byte."""
    opened = socket.create_connection(address, timeout=PATIENCE_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def read_lines(opened: socket.socket, count: int) -> list[bytes]:
    """Return what comes up to the end of line `count`, which is where it must end."""
    data = b""
    while data.count(b"\n") < count:
        more = opened.recv(65536)
        if not more:
            raise Wrong(f"the broker closed the connection after {data[-200:]!r}")
        data += more
    lines = data.splitlines()
    if len(lines) > count or not data.endswith(b"\n"):
        raise Wrong(f"more came than was asked for: {data[-200:]!r}")
    return lines


class Wire:
    """One connection; what is asked must succeed."""

    def __init__(self, address: Address) -> None:
        self._socket = connected(address)

    def ask(self, action: str, **keys: Any) -> None:
        check_success(self.answer(action, **keys))

    def answer(self, action: str, **keys: Any) -> bytes:
        """Return the line that answers, whatever it says."""
        self._socket.sendall(request(action, **keys))
        return read_lines(self._socket, 1)[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; once this returns the broker knows that the session is over."""
        if kind is None:
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(65536):
                pass
        self._socket.close()
