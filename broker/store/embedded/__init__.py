"""PostgreSQL that the broker brings along and runs as its own child."""

from broker.store.embedded.database import Address
from broker.store.embedded.postgres import EmbeddedPostgres

__all__ = ["Address", "EmbeddedPostgres"]
