"""A client as bare as `nc`: the demonstration shows the very lines that go over the wire."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

ANSWER_S = 10.0  # a line that takes longer is not coming

Shown = Callable[[str, str, str], None]  # who, direction, line


class StepFailed(Exception):
    """A step did not bring what it should. The text says what came instead."""


class Wire:
    """A connection by the name of `who`, whose lines are shown as they pass."""

    def __init__(
        self, who: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shown: Shown
    ) -> None:
        self.who = who
        self._reader = reader
        self._writer = writer
        self._shown = shown

    @classmethod
    async def open(cls, who: str, port: int, shown: Shown) -> Self:
        return cls(who, *await asyncio.open_connection("127.0.0.1", port), shown)

    def send(self, *, show: bool = True, **request: Any) -> None:
        line = json.dumps(request)
        if show:
            self._shown(self.who, ">", line)
        self._writer.write(line.encode() + b"\n")

    async def read(self, *, show: bool = True) -> dict[str, Any]:
        """Return the next line from the broker."""
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await self._reader.readline()
        except (TimeoutError, OSError) as error:
            raise StepFailed(f"{self.who} got no line: {error or 'none came'}") from error
        if not line:
            raise StepFailed(f"the broker closed the connection of {self.who}")
        if show:
            self._shown(self.who, "<", line.decode().rstrip("\n"))
        value = json.loads(line)
        assert isinstance(value, dict)
        return value

    async def ask(self, **request: Any) -> dict[str, Any]:
        self.send(**request)
        return await self.read()

    async def expect(self, *, show: bool = True, **wanted: Any) -> None:
        """Read the next line and hold it to what should come."""
        got = await self.read(show=show)
        if got != wanted:
            raise StepFailed(f"{self.who} should have got {json.dumps(wanted)}")

    async def do(self, **request: Any) -> None:
        """Send a request that should succeed."""
        self.send(**request)
        await self.expect(action="success", code=0)

    async def leave(self) -> None:
        """End the connection from this side."""
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)
