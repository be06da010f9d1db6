"""Print `database.sql`."""

from broker.store.postgres.schema import database_sql

print(database_sql(), end="")
