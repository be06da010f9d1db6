"""A client as bare as `nc`: the demonstration shows the very lines that go over the wire."""

import asyncio
import json
from typing import Any, Self

from app.demo.events import Audience, Event, Mark, Pane
from app.demo.outcome import Missed

ANSWER_S = 10.0  # a line that takes longer is not coming


class Wire:
    """A connection by the name of `who`, whose lines are told as they pass."""

    def __init__(
        self,
        pane: Pane,
        who: str,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        audience: Audience,
    ) -> None:
        self._pane = pane
        self._who = who
        self._reader, self._writer = streams
        self._audience = audience

    @classmethod
    async def open(cls, pane: Pane, who: str, port: int, audience: Audience) -> Self:
        return cls(pane, who, await asyncio.open_connection("127.0.0.1", port), audience)

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return the next line from the broker."""
        line = json.dumps(request)
        self._tell(Mark.ASKED, line)
        self._writer.write(line.encode() + b"\n")
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = (await self._reader.readline()).decode()
        except (TimeoutError, OSError) as error:
            raise Missed(f"an answer to {line}", f"none: {error or 'it took too long'}") from error
        if not answer:
            raise Missed(f"an answer to {line}", "the broker closed the connection")
        self._tell(Mark.ANSWERED, answer.rstrip("\n"))
        value = json.loads(answer)
        assert isinstance(value, dict)
        return value

    async def do(self, **request: Any) -> None:
        """Send a request that should succeed."""
        wanted = {"action": "success", "code": 0}
        answer = await self.ask(**request)
        if answer != wanted:
            raise Missed(f"{json.dumps(wanted)} to {json.dumps(request)}", json.dumps(answer))

    async def close(self) -> None:
        """End the connection from this side."""
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    def _tell(self, mark: Mark, line: str) -> None:
        self._audience.told(Event(self._pane, self._who, mark, line))
