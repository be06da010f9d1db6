"""A PostgreSQL that runs: whether it keeps what it acknowledges, and what stands in its way."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg

from app.doctor.finding import Finding, note, ok, wrong
from broker.settings import MIB
from broker.store.errors import StoreUnusable
from broker.store.postgres.connections import POOL_SIZE
from broker.store.postgres.log import WRITER_LOCK
from broker.store.postgres.schema import migrations, schema_version
from broker.store.postgres.store import OLDEST_SERVER

LONG = timedelta(minutes=5)  # for a transaction to be open
OLD_TRANSACTIONS = 1_500_000_000  # of 2,147,483,648, after which a database stops

# What is wrong with each, and what would be right.
_WANTED = {
    "fsync": ("on", "an acknowledged message could be lost, and the database with it"),
    "full_page_writes": ("on", "a power cut in the middle of a write could damage the database"),
    "synchronous_commit": ("on", "an acknowledged message could be lost"),
    "zero_damaged_pages": ("off", "damaged pages are emptied instead of reported"),
    "ignore_checksum_failure": ("off", "damaged pages are read as if they were good"),
}

_SETTINGS = """
SELECT name, current_setting(name) AS setting, source, sourcefile, sourceline
FROM pg_settings WHERE name = ANY($1::text[])
"""

_LONG_TRANSACTIONS = """
SELECT pid, usename, application_name, state, now() - xact_start AS age
FROM pg_stat_activity
WHERE datname = current_database() AND xact_start < now() - $1::interval
  AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY xact_start LIMIT 5
"""

_PREPARED = """
SELECT gid, now() - prepared AS age FROM pg_prepared_xacts
WHERE database = current_database() AND prepared < now() - $1::interval
ORDER BY prepared LIMIT 5
"""

_SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE NOT active ORDER BY slot_name LIMIT 5"

_SEES_ALL = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"

_CONNECTIONS = """
SELECT current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int AS room,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used
"""

_BROKER = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND objid = $1 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def examine_server(connection: asyncpg.Connection) -> AsyncIterator[Finding]:
    """Yield what can be seen over `connection`. Nothing is changed."""
    yield await _release(connection)
    yield await _encoding(connection)
    yield await _schema(connection)
    async for finding in _durability(connection):
        yield finding
    yield await _disk_cache(connection)
    yield await _room(connection)
    async for finding in _in_the_way(connection):
        yield finding
    yield await _size(connection)
    serving = await connection.fetchval(_BROKER, WRITER_LOCK)
    yield note(
        f"Brokers that serve this database: {serving}."
        if serving
        else "No broker serves this database just now."
    )


async def _release(connection: asyncpg.Connection) -> Finding:
    told = await connection.fetchval("SHOW server_version")
    if connection.get_server_version().major < OLDEST_SERVER:
        return wrong(
            f"The server is PostgreSQL {told}, and {OLDEST_SERVER} is the oldest that works.",
            "Upgrade it, or leave --store out to use the one that comes along.",
        )
    return ok(f"The server is PostgreSQL {told}.")


async def _encoding(connection: asyncpg.Connection) -> Finding:
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        return wrong(
            f"The database is encoded in {encoding}, and messages hold all of Unicode.",
            "Use another, made with: createdb -E UTF8 -T template0 pubsub",
        )
    if await connection.fetchval("SHOW transaction_read_only") == "on":
        return wrong(
            "The database is read only, as on a standby.", "Name the server that takes writes."
        )
    return ok("The database is encoded in UTF8 and takes writes.")


async def _schema(connection: asyncpg.Connection) -> Finding:
    newest = migrations()[-1].version
    try:
        version = await schema_version(connection)
    except StoreUnusable as error:
        return wrong(str(error), "Restore it: see `docs/operations.md`, Backup.")
    except asyncpg.InsufficientPrivilegeError as error:
        return wrong(
            f"The user in --store lacks rights: {error}.",
            "Give it the rights, or the database: ALTER DATABASE ... OWNER TO ...",
        )
    if version > newest:
        return wrong(
            f"The schema has version {version}, and this release knows up to {newest}.",
            "Run the newer release.",
        )
    if version == 0:
        return note("There is no schema yet; the first start of a broker makes it.")
    if version < newest:
        return note(
            f"The schema has version {version}; the next start of a broker makes it {newest}."
            " Back the database up before."
        )
    return ok(f"The schema has version {version}, the newest.")


async def _durability(connection: asyncpg.Connection) -> AsyncIterator[Finding]:
    rows = await connection.fetch(_SETTINGS, [*_WANTED])
    good = []
    for row in rows:
        name, setting = row["name"], row["setting"]
        wanted, harm = _WANTED[name]
        # synchronous_commit has degrees; all but off wait for the disk.
        if setting == wanted or (name == "synchronous_commit" and setting != "off"):
            good.append(f"{name} is {setting}")
        else:
            yield wrong(
                f"{name} is {setting}: {harm}.", _remedy(name, wanted, row["source"], _place(row))
            )
    if good:
        yield ok(f"{', '.join(good)}.")
    if await connection.fetchval("SHOW data_checksums") == "off":
        yield note("data_checksums is off, so a disk that corrupts data is noticed late.")


def _place(row: asyncpg.Record) -> str:
    return f"{row['sourcefile']}, line {row['sourceline']}" if row["sourcefile"] else ""


def _remedy(name: str, wanted: str, source: str, place: str) -> str:
    """Return how to set it right, which depends on where it was set."""
    match source:
        case "database":
            return f"ALTER DATABASE ... RESET {name}; then start the broker again."
        case "user" | "database user":
            return f"ALTER ROLE ... RESET {name}; then start the broker again."
        case "command line":
            return f"The server was started with it: start it with -c {name}={wanted}."
        case "client" | "environment variable":
            return f"--store or PGOPTIONS sets it: take {name} out there."
    where = f" (it is set in {place})" if place else ""
    return f"ALTER SYSTEM SET {name} = {wanted}; SELECT pg_reload_conf();{where}"


async def _disk_cache(connection: asyncpg.Connection) -> Finding:
    method = await connection.fetchval("SHOW wal_sync_method")
    if "darwin" in await connection.fetchval("SELECT version()") and "through" not in method:
        return wrong(
            f"wal_sync_method is {method}, which on macOS leaves data in the drive's cache: a"
            " power cut could lose acknowledged messages.",
            "ALTER SYSTEM SET wal_sync_method = fsync_writethrough; SELECT pg_reload_conf();",
        )
    return ok(f"wal_sync_method is {method}.")


async def _room(connection: asyncpg.Connection) -> Finding:
    (row,) = await connection.fetch(_CONNECTIONS)
    room, used, needed = row["room"], row["used"], POOL_SIZE + 2
    if room - used < needed:
        return wrong(
            f"{used} of {room} connections to the server are taken, and a broker needs {needed}.",
            "End some, or raise max_connections and start the server again.",
        )
    return ok(f"{used} of {room} connections to the server are taken.")


async def _in_the_way(connection: asyncpg.Connection) -> AsyncIterator[Finding]:
    """Yield what keeps the server from tidying up: old transactions, forgotten slots."""
    found = False
    for row in await connection.fetch(_LONG_TRANSACTIONS, LONG):
        found = True
        yield wrong(
            f"A transaction of {row['usename']} ({row['application_name'] or 'no name'},"
            f" {row['state']}) has been open for {_age(row['age'])}: what was deleted or"
            " overwritten since cannot be cleared away.",
            f"End it where it was begun, or: SELECT pg_terminate_backend({row['pid']});",
        )
    for row in await connection.fetch(_PREPARED, LONG):
        found = True
        yield wrong(
            f"A prepared transaction has been left for {_age(row['age'])}: what was deleted or"
            " overwritten since cannot be cleared away.",
            f"COMMIT PREPARED or ROLLBACK PREPARED {row['gid']!r};",
        )
    for row in await connection.fetch(_SLOTS):
        found = True
        yield wrong(
            f"Nobody reads the replication slot {row['slot_name']}, so the server's log is kept"
            " for it until the disk is full.",
            f"Bring its reader back, or: SELECT pg_drop_replication_slot('{row['slot_name']}');",
        )
    age = await connection.fetchval(
        "SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()"
    )
    if age > OLD_TRANSACTIONS:
        found = True
        yield wrong(
            f"The oldest transaction the database knows is {age:,} ago; at 2,147,483,648 it stops.",
            "VACUUM FREEZE; and find out why autovacuum did not.",
        )
    if not await connection.fetchval(_SEES_ALL):
        yield note(
            "Transactions of other users cannot be seen by this one.",
            "GRANT pg_read_all_stats TO the user in --store.",
        )
    elif not found:
        minutes = LONG.total_seconds() / 60
        yield ok(
            f"No transaction has been open for {minutes:g} minutes, and no replication slot is"
            " forgotten."
        )


async def _size(connection: asyncpg.Connection) -> Finding:
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    return note(f"The database takes {size // MIB:,} MiB.")


def _age(age: object) -> str:
    return str(age).partition(".")[0]
