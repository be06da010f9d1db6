"""The broker's database within the server: where it is, and made when missing."""

from dataclasses import dataclass

import asyncpg
from asyncpg.connect_utils import SessionAttribute

_CONNECT_TIMEOUT_S = 10
_IS_THERE = "select exists (select from pg_database where datname = $1)"


@dataclass(frozen=True)
class Address:
    """Where a database is: what `asyncpg.connect(**asdict(address))` takes."""

    host: str  # the folder of the socket
    port: int
    user: str
    database: str


async def make_database(address: Address) -> None:
    """Make the database where it is missing. On return it accepts connections.

    Raises:
        OSError, asyncpg.PostgresError: the server did not answer, or refused.
    """
    # The user's environment may ask for a standby or for TLS; that is meant for other servers.
    connection = await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        database="postgres",  # always there, and asking for a missing one makes a FATAL in the log
        timeout=_CONNECT_TIMEOUT_S,
        ssl=False,
        target_session_attrs=SessionAttribute.any,
    )
    try:
        if not await connection.fetchval(_IS_THERE, address.database):
            await connection.execute(f'create database "{address.database}"')
    finally:
        await connection.close()
