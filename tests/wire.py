"""A client as bare as `nc`, for tests: lines out, lines in."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self


class Wire:
    """One connection to a broker. `send` may be called any number of times before `read`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, limit: int = 2**24, **how: Any) -> Self:
        """Connect; `how` may name `ssl`, or a `local_addr` to come from."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=limit, **how))

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    def send(self, action: str, **keys: Any) -> None:
        """Send one request; `from_` stands for the key `from`."""
        line = {"action": action} | {key.rstrip("_"): value for key, value in keys.items()}
        self.writer.write(json.dumps(line).encode() + b"\n")

    async def read_line(self) -> bytes:
        """Return the next line without its newline; b"" where the broker closed."""
        return (await self.reader.readline()).rstrip(b"\n")

    async def read(self) -> dict[str, Any]:
        """Return the next line as an object."""
        line = await self.read_line()
        assert line, "the broker closed the connection"
        value = json.loads(line)
        assert isinstance(value, dict)
        return value

    async def read_many(self, count: int) -> list[dict[str, Any]]:
        return [await self.read() for _ in range(count)]

    async def ask(self, action: str, **keys: Any) -> dict[str, Any]:
        """Send one request and return the next line."""
        self.send(action, **keys)
        return await self.read()

    async def read_until_closed(self) -> list[dict[str, Any]]:
        """End the sending side and return all that comes before the broker closes."""
        if self.writer.can_write_eof():
            self.writer.write_eof()
        lines = (await self.reader.read()).splitlines()
        return [json.loads(line) for line in lines]

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):  # the broker may have been faster
            await self.writer.wait_closed()


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until `holds()`."""
    turn = asyncio.Event()
    while not holds():
        asyncio.get_running_loop().call_soon(turn.set)
        await turn.wait()
        turn.clear()
