"""A cable between a broker and PostgreSQL that a test cuts in the middle of a statement."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

CHUNK_BYTES = 2**20

_FIELDS = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"
STARTING_UP = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


@dataclass(slots=True)
class Cut:
    """Where a connection ends: in the statement that holds `mark`, or in its answer.

    `sent` and `answered` are shares of the bytes, from 0 to 1. PostgreSQL gets that part of the
    statement. With `answered` it gets all of it, and the broker that part of the answer. `at`
    is a number of bytes instead, counted on through what follows on the connection. With `silent`
    the cable passes nothing on from there, and neither end hears of it.
    """

    mark: bytes
    sent: float = 1.0
    answered: float | None = None
    at: int | None = None
    silent: bool = False
    reached: bool = False  # nothing more comes through
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def part(self, data: bytes, share: float) -> bytes:
        """Return what comes through of `data`."""
        if self.at is None:
            self.reached = True
            return data[: int(len(data) * share)]
        through = data[: self.at]
        self.at -= len(through)
        self.reached = self.at == 0
        return through


class PostgresProxy:
    """Passes on what a broker and PostgreSQL say to each other, on a free port."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._cuts: list[Cut] = []  # that are still to come
        self._pulled = False
        self._recovering = False
        self.asked = asyncio.Event()  # while it was recovering
        self._links: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen while the block runs, and give the URL of the database through the proxy."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, limit=CHUNK_BYTES)
        port = server.sockets[0].getsockname()[1]
        try:
            yield _through(port, self._database)
        finally:
            server.close()
            await self.break_all()

    def cut(self, mark: bytes, **where: float | bool) -> Cut:
        """Cut the connection on which the statement comes that holds `mark`."""
        cut = Cut(mark, **where)  # type: ignore[arg-type]  # the fields' own types differ
        self._cuts.append(cut)
        return cut

    async def pull(self) -> None:
        """Let PostgreSQL be away: all connections break, and no new one is made."""
        self._pulled = True
        await self.break_all()

    def recover(self) -> None:
        """Let PostgreSQL recover from a crash: it answers, and takes nobody in."""
        self._recovering = True

    def plug_in(self) -> None:
        """End `pull` and `recover`."""
        self._pulled = self._recovering = False

    def freeze(self) -> None:
        """Pass nothing on any more, in all connections, which stay open."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def break_all(self) -> None:
        links = [*self._links]
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        try:
            if self._recovering:
                await reader.read(CHUNK_BYTES)
                writer.write(STARTING_UP)
                await writer.drain()
                self.asked.set()
            elif not self._pulled:
                await self._connected(reader, writer)
        except (asyncio.CancelledError, OSError):
            pass  # broken by `break_all`, or by the end of the test; or PostgreSQL is away
        finally:
            self._links.discard(link)
            writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, statements = await asyncio.open_unix_connection(
            socket_of(self._database), limit=CHUNK_BYTES
        )
        link = _Link(self, reader, writer, answers, statements)
        try:
            await link.run()
        finally:
            statements.transport.abort()
            writer.transport.abort()

    async def flow(self) -> None:
        await self._flowing.wait()

    def cut_of(self, data: bytes) -> Cut | None:
        """Return the cut that `data` is to meet, which no other will."""
        cut = next((one for one in self._cuts if one.mark in data), None)
        if cut is not None:
            self._cuts.remove(cut)
        return cut


class _Link:
    """One connection through the proxy."""

    def __init__(
        self,
        proxy: PostgresProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        statements: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._answers, self._statements = answers, statements
        self._cut: Cut | None = None

    async def run(self) -> None:
        """Pass on until one end closes, or the cut."""
        ways = [asyncio.ensure_future(self._forth()), asyncio.ensure_future(self._back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if self._cut is not None:
                if self._cut.silent:
                    self._cut.done.set()
                    await self._reader.read(-1)  # until the broker gives it up
                self._statements.transport.abort()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            if self._cut is not None:
                self._cut.done.set()

    async def _forth(self) -> None:
        while data := await self._reader.read(CHUNK_BYTES):
            await self._proxy.flow()
            cut = self._cut = self._cut or self._proxy.cut_of(data)
            if cut is None or cut.answered is not None:
                self._statements.write(data)
                continue
            self._statements.write(cut.part(data, cut.sent))
            if cut.reached:
                await self._statements.drain()
                return

    async def _back(self) -> None:
        while data := await self._answers.read(CHUNK_BYTES):
            await self._proxy.flow()
            cut = self._cut
            if cut is None:
                self._writer.write(data)
            elif cut.answered is not None:
                self._writer.write(cut.part(data, cut.answered))
                if cut.reached:
                    await self._writer.drain()
                    return
            elif not cut.reached:
                self._writer.write(data)


def _through(port: int, database: str) -> str:
    parts = urlsplit(database)
    return f"postgresql://{parts.netloc}127.0.0.1:{port}{parts.path}?sslmode=disable"


def socket_of(database: str) -> str:
    """Return the socket that the URL of a test's database names."""
    query = parse_qs(urlsplit(database).query)
    return f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"


def with_setting(database: str, name: str, value: str) -> str:
    """Return the URL with a setting of PostgreSQL for its connections."""
    return f"{database}&{name}={quote(value)}"
