"""A cable between a client and a server that a test can cut."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Relay:
    """Passes bytes on in both directions, on a free port."""

    def __init__(self, open_server: Open) -> None:
        self._open_server = open_server
        self._losing = 0  # the answer that is to be lost is the so-manieth
        self._holding = b""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._left_open: list[asyncio.StreamWriter] = []
        self._writers: list[asyncio.StreamWriter] = []

    def lose_answer(self, holding: bytes = b"", number: int = 1) -> None:
        """Break the connection on which the next answer comes, in its place.

        Or the one after that, and so on, and of those `holding` something.
        """
        self._holding, self._losing = holding, number

    def freeze(self) -> None:
        """Pass nothing on any more; all connections stay open."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on what was held up, and what comes."""
        self._flowing.set()

    async def cut(self) -> None:
        """Break all connections. The server's ends stay open, as behind a pulled cable."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Listen while the block runs, and give the port."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await self.cut()
            for writer in self._left_open:
                writer.transport.abort()
            for writer in self._writers:
                with suppress(OSError):  # how it ended is no news
                    await writer.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        try:
            server_reader, server_writer = await self._open_server()
            self._writers.append(server_writer)
        except (OSError, asyncio.CancelledError):
            self._tasks.discard(task)
            writer.transport.abort()
            return
        directions = [
            asyncio.ensure_future(self._pump(reader, server_writer)),
            asyncio.ensure_future(self._pump(server_reader, writer, answers=True)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._left_open.append(server_writer)
        else:
            server_writer.transport.abort()
        finally:
            # Before anything is waited for: a cut may come at that moment too.
            self._tasks.discard(task)
            writer.transport.abort()
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answers: bool = False,
    ) -> None:
        while data := await reader.read(2**16):
            if answers and self._losing and self._holding in data:
                self._losing -= 1
                if not self._losing:
                    return
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
