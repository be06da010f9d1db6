"""A cable between a client and the broker that can be cut: real bytes, really lost."""

import asyncio
import contextlib


class Relay:
    """Passes bytes on in both directions between its own port and the broker's.

    While it is cut, what was under way is lost, nothing passes, and who tries to connect is
    turned away. The broker's end of a cut connection stays open until the cable is mended,
    as behind a pulled plug: the broker cannot know.
    """

    def __init__(self) -> None:
        self.port = 0
        self.broker_port = 0
        self._server: asyncio.Server | None = None
        self._whole = True
        self._losing_answers = False
        self._passing: set[asyncio.Task[None]] = set()
        self._left_open: list[asyncio.StreamWriter] = []

    async def listen(self, broker_port: int) -> None:
        self.broker_port = broker_port
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break all connections, and let no new one through until `mend`."""
        self._whole = False
        for task in self._passing:
            task.cancel()
        while self._passing:
            await asyncio.wait(self._passing)

    def mend(self) -> None:
        self._whole, self._losing_answers = True, False
        for writer in self._left_open:
            writer.transport.abort()
        self._left_open.clear()

    def lose_answers(self) -> None:
        """From now on what the broker sends is lost; what it is sent still arrives."""
        self._losing_answers = True

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self.cut()
        self.mend()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            # Whoever cuts the cable cancels this task; nobody awaits its outcome.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                if self._whole:
                    await self._pass_on(reader, writer)
        finally:
            self._passing.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on until either side ends, or until this is cancelled."""
        from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self.broker_port)
        pumps = [
            asyncio.ensure_future(self._pump(reader, to_broker)),
            asyncio.ensure_future(self._pump(from_broker, writer, answers=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._left_open.append(to_broker)
            raise
        else:
            to_broker.transport.abort()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answers: bool = False,
    ) -> None:
        while data := await reader.read(2**16):
            if not (answers and self._losing_answers):
                writer.write(data)
                await writer.drain()
