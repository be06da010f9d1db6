"""The store on PostgreSQL: the catalogue through GINO, the log and the cursors over asyncpg."""

from broker.store.postgres.store import EmbeddedStore, PostgresStore

__all__ = ["EmbeddedStore", "PostgresStore"]
