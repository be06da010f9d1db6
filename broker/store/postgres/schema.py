"""The schema, as numbered migrations that are applied in order, each once.

`python -m broker.store.postgres` prints `database.sql`: the migrations' sum and the sample
data, for `psql -f` into an empty database.
"""

from dataclasses import dataclass
from importlib import resources

import asyncpg

from broker.store.errors import StoreUnusable

_LOCK = 0x70756274  # held while migrating, so that two brokers never do it at once

_VERSION_TABLE = """\
CREATE TABLE pubsub_schema (
    version    integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """Return all migrations, oldest first; their versions are 1, 2, 3, ..."""
    folder = resources.files(__package__) / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=_name)
    found = [
        Migration(int(file.name[:4]), file.name[5:-4], file.read_text("utf-8")) for file in files
    ]
    assert [migration.version for migration in found] == list(range(1, len(found) + 1))
    return found


async def migrate(connection: asyncpg.Connection) -> None:
    """Bring the database to the newest schema; all of it, or nothing.

    Raises:
        StoreUnusable: it holds tables of another program, or a newer schema.
    """
    known = migrations()
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        version = await schema_version(connection)
        if version > known[-1].version:
            raise StoreUnusable(
                f"The database has schema version {version}, made by a newer release; this one"
                f" knows up to {known[-1].version}. Start the newer release, or use another"
                " database."
            )
        if version == known[-1].version:
            return
        if version == 0:
            await _refuse_foreign(connection)
            await connection.execute(_VERSION_TABLE)
            await connection.execute("INSERT INTO pubsub_schema (version) VALUES (0)")
        for migration in known[version:]:
            await connection.execute(migration.sql)
        await connection.execute(
            "UPDATE pubsub_schema SET version = $1, applied_at = now()", known[-1].version
        )


def database_sql() -> str:
    """Return the text of `database.sql`."""
    known = migrations()
    parts = [
        "-- The schema and the sample data, for an empty database (PostgreSQL 15 or later):\n"
        "--\n"
        "--     createdb pubsub && psql -v ON_ERROR_STOP=1 -d pubsub -f database.sql\n"
        "--     pubsub broker --store postgresql:///pubsub\n"
        "--\n"
        "-- Printed by `python -m broker.store.postgres`.\n",
        "BEGIN;\n",
        _VERSION_TABLE,
        *(f"-- Migration {one.version}\n\n{one.sql}" for one in known),
        f"INSERT INTO pubsub_schema (version) VALUES ({known[-1].version});\n",
        sample_sql(),
        "COMMIT;\n",
    ]
    return "\n".join(parts)


def sample_sql() -> str:
    """Return the statements that fill an empty schema with the sample data."""
    return (resources.files(__package__) / "sample.sql").read_text("utf-8")


async def is_old(connection: asyncpg.Connection) -> bool:
    """Whether there is something to migrate."""
    return await schema_version(connection) < migrations()[-1].version


async def schema_version(connection: asyncpg.Connection) -> int:
    """Return the schema's version, 0 where the database has none."""
    if await connection.fetchval("SELECT to_regclass('pubsub_schema')") is None:
        return 0
    version = await connection.fetchval("SELECT version FROM pubsub_schema")
    if not isinstance(version, int):
        raise StoreUnusable(
            "Parts of the database are lost: its table pubsub_schema says no version. Restore it"
            " from a backup, or use another database."
        )
    return version


async def _refuse_foreign(connection: asyncpg.Connection) -> None:
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY relname"
    )
    if tables:
        shown = ", ".join(row["relname"] for row in tables[:3])
        raise StoreUnusable(
            f"The database holds tables of another program ({shown}{', ...' * (len(tables) > 3)})."
            " Create an empty one, as with `createdb pubsub`, and name it in --store."
        )


def _name(file: object) -> str:
    return str(getattr(file, "name", ""))
