"""A broker whose every line a test says: for what a real one does rarely, or never."""

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

LIMITS = {"line_bytes": 1_052_672, "message_bytes": 1_048_576}
NOON = "2026-05-04T12:00:00Z"


class FakeBroker:
    """Listens on a free port; a test takes each connection with `accept`."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._arrived: asyncio.Queue[Peer] = asyncio.Queue()
        self.peers: list[Peer] = []  # all that were ever connected
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def waiting(self) -> int:
        """How many connections were made and not taken with `accept`."""
        return self._arrived.qsize()

    async def accept(self) -> "Peer":
        """Return the next connection that was made, in order."""
        return await self._arrived.get()

    async def signed_in(self, **keys: Any) -> "Peer":
        """Return the next connection, after a sign-in that succeeded."""
        peer = await self.accept()
        await peer.sign_in(**keys)
        return peer

    async def listen(self) -> None:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port, limit=2**24
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop_listening(self) -> None:
        """Refuse connections, until `listen`; those that are there stay."""
        assert self._server is not None
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self._arrived.put_nowait(peer)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop_listening()
        for peer in self.peers:
            peer.cut()
            await peer.gone()


class Peer:
    """The broker's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> dict[str, Any]:
        """Return the next request."""
        line = await self._reader.readline()
        assert line.endswith(b"\n"), f"the client is gone, after {line!r}"
        request = json.loads(line)
        assert isinstance(request, dict)
        return request

    async def read_all(self) -> list[dict[str, Any]]:
        """Return the requests that come before the client closes."""
        return [json.loads(line) for line in (await self._reader.read()).splitlines()]

    async def gone(self) -> None:
        """Return when the client's end is closed."""
        try:
            while await self._reader.read(2**16):
                pass
        except ConnectionError:
            pass

    def say_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    def say(self, action: str, **keys: Any) -> None:
        self.say_bytes(json.dumps({"action": action} | keys).encode() + b"\n")

    def succeed(self, request: dict[str, Any], **keys: Any) -> None:
        """Answer `request` with success."""
        self.say("success", id=request["id"], code=0, **keys)

    def refuse(self, request: dict[str, Any], reason: str, message: str = "no") -> None:
        self.say("error", id=request["id"], reason=reason, message=message)

    def dismiss(self, reason: str, message: str = "enough") -> None:
        """End the session as a broker does: a line without an id, then the end."""
        self.say("error", reason=reason, message=message)
        self._writer.close()

    async def sign_in(
        self,
        user_type: str = "publisher",
        subscriptions: Sequence[tuple[str, int, int]] = (),
        limits: dict[str, int] = LIMITS,
        **keys: Any,
    ) -> dict[str, Any]:
        """Let the client in; `subscriptions` are (topic, cursor, head). Return what it asked."""
        request = await self.read()
        assert request["action"] in ("connect", "create")
        states = [
            {"topic_name": topic, "cursor": cursor, "head": head, "unread": head - cursor}
            for topic, cursor, head in subscriptions
        ]
        self.succeed(
            request,
            user_email=request["user_email"],
            user_type=user_type,
            subscriptions=states,
            limits=limits,
            **keys,
        )
        return request

    def deliver(self, topic: str, first: int, texts: Sequence[str], **keys: Any) -> None:
        block = {"topic_name": topic, "seq": first, "messages": [*texts]}
        whose = {"publishers": ["p@b.c"], "published_at": NOON}
        self.say("broadcast", **(block | whose | keys))

    def stall(self) -> None:
        """Read nothing more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's can

    def cut(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()
