"""The demonstration's databases: on a temporary PostgreSQL, or on one that is there already."""

import asyncio
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

import asyncpg

from app.demo.stores import Words
from app.text import harmless
from broker.store.embedded import EmbeddedPostgres
from broker.store.errors import StoreError, StoreUnusable
from broker.store.postgres.faults import translated
from broker.store.postgres.schema import migrate, sample_sql
from broker.store.postgres.store import UNREADABLE, without_password

CONNECT_TIMEOUT_S = 10.0
_URL = re.compile(r"(postgres(?:ql)?://[^/?#]*)(?:/[^?#]*)?(\?[^#]*)?")


class GivenPostgres:
    """Databases of its own on the server at `url`, whose database is left as it is."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._told = harmless(without_password(url))
        self._name = f"pubsub_demo_{secrets.token_hex(4)}"
        self._numbers = count(1)
        self._left: list[str] = []  # databases that there may be

    @property
    def words(self) -> Words:
        return Words(
            name="PostgreSQL",
            starting=f"Starting a broker in a new database on PostgreSQL at {self._told} ...",
            kept="on disk",
            data="temporary data",
            place="a new database",
        )

    async def start(self) -> None:
        await self._administer("SELECT 1")

    async def fresh(self) -> str:
        name = f"{self._name}_{next(self._numbers)}"
        url = self._url_of(name)
        self._left.append(name)
        await self._administer(f'CREATE DATABASE "{name}" TEMPLATE template0')
        with self._told_if_unusable():
            await _fill(url)
        return url

    async def drop(self) -> None:
        while self._left:
            await self._administer(f'DROP DATABASE IF EXISTS "{self._left[-1]}" WITH (FORCE)')
            self._left.pop()

    async def stop(self) -> None:
        await self.drop()

    def _url_of(self, database: str) -> str:
        found = _URL.fullmatch(self._url)
        if found is None:
            raise StoreUnusable(UNREADABLE)
        return f"{found[1]}/{database}{found[2] or ''}"

    async def _administer(self, statement: str) -> None:
        with self._told_if_unusable():
            connection = await asyncpg.connect(self._url, timeout=CONNECT_TIMEOUT_S)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

    @contextmanager
    def _told_if_unusable(self) -> Iterator[None]:
        try:
            with translated():
                yield
        except ValueError as error:
            raise StoreUnusable(UNREADABLE) from error
        except StoreError as error:
            raise StoreUnusable(
                f"PostgreSQL at {self._told} cannot be used: {error}. {_remedy(error)}."
            ) from error


class TemporaryPostgres:
    """The broker's own PostgreSQL on a temporary folder, with nothing left of it afterwards."""

    words = Words(
        name="PostgreSQL",
        starting="Starting PostgreSQL and a broker on a temporary folder ...",
        kept="on disk",
        data="temporary data",
        place="a new database",
    )

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._databases: GivenPostgres | None = None

    async def start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pubsub-demo-"))
        self._postgres = EmbeddedPostgres(self._folder / "data")
        at = await self._postgres.start()
        host, user = quote(at.host, safe=""), quote(at.user, safe="")
        self._databases = GivenPostgres(
            f"postgresql://{user}@/postgres?host={host}&port={at.port}&sslmode=disable"
        )

    async def fresh(self) -> str:
        assert self._databases is not None
        return await self._databases.fresh()

    async def drop(self) -> None:
        if self._databases is not None:
            await self._databases.drop()

    async def stop(self) -> None:
        self._databases = None  # they go with the server
        postgres, self._postgres = self._postgres, None
        if postgres is not None:
            await postgres.stop()
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder)


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    try:
        await migrate(connection)
        await connection.execute(sample_sql())
    finally:
        await connection.close()


def _remedy(error: Exception) -> str:
    if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
        return "Give the user the right to make one (ALTER ROLE ... CREATEDB), or name another"
    return (
        "Check that it runs and that the user, the password and the database in --store are right"
    )
