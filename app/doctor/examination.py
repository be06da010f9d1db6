"""The whole examination, of a data directory or of a server's database."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg

from app.doctor.data_dir import examine_at_rest, examine_data_dir, holder, socket_of
from app.doctor.finding import Finding, note, wrong
from app.doctor.server import examine_server
from app.doctor.software import examine_software
from broker.store.embedded.folder import Folder
from broker.store.embedded.sockets import PORT
from broker.store.postgres import PostgresStore
from broker.store.postgres.faults import told
from broker.store.postgres.store import UNREADABLE

LIMIT_S = 10.0

_NO_ANSWER = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def examine(store: str | None, data_dir: Path) -> AsyncGenerator[Finding, None]:
    """Yield what is found of `store`, a URL, or of `data_dir` where that is None."""
    for finding in examine_software():
        yield finding
    async for finding in _examine_store(store) if store else _examine_data_dir(Folder(data_dir)):
        yield finding


async def _examine_store(url: str) -> AsyncGenerator[Finding, None]:
    try:
        connection = await asyncpg.connect(url, timeout=LIMIT_S, command_timeout=LIMIT_S)
    except ValueError:
        yield wrong(UNREADABLE, "Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE.")
        return
    except _NO_ANSWER as error:
        yield wrong(
            f"{PostgresStore(url)} does not let us in: {told(error)}.",
            "Check that it runs, and the user, the password and the database in --store.",
        )
        return
    async for finding in _examined(connection):
        yield finding
    yield note("The disk of the server cannot be seen from here; have it watched there.")


async def _examine_data_dir(folder: Folder) -> AsyncGenerator[Finding, None]:
    for finding in examine_data_dir(folder):
        yield finding
    pid = holder(folder)
    if pid is None:
        for finding in examine_at_rest(folder):
            yield finding
        yield note("No broker serves this directory just now.")
        return
    try:
        connection = await _connected(folder)
    except _NO_ANSWER as error:
        yield wrong(
            f"The broker with pid {pid} serves this directory, and its PostgreSQL does not let us"
            f" in: {told(error)}.",
            "Run this as the user the broker runs as. If it does not answer that user either,"
            f" {folder.log} says why.",
        )
        return
    yield note(f"The broker with pid {pid} serves this directory.")
    async for finding in _examined(connection):
        yield finding


async def _connected(folder: Folder) -> asyncpg.Connection:
    settings: dict[str, Any] = {"host": str(socket_of(folder).parent), "port": PORT, "ssl": False}
    return await asyncpg.connect(
        **settings,
        user="postgres",
        database="pubsub",
        timeout=LIMIT_S,
        command_timeout=LIMIT_S,
    )


async def _examined(connection: asyncpg.Connection) -> AsyncGenerator[Finding, None]:
    try:
        async for finding in examine_server(connection):
            yield finding
    except _NO_ANSWER as error:
        yield wrong(f"The server stopped answering: {told(error)}.", "See its log, and try again.")
    finally:
        connection.terminate()
