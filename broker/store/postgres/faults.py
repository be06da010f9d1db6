"""Translate what asyncpg raises into the store's three kinds of trouble."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from broker.store.errors import StoreLost, StoreRefused

# The server went away, is going away or is not there yet; or it rolled a transaction back
# that may well succeed when it is tried again.
_LOST = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TransactionRollbackError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise `StoreLost` or `StoreRefused` for what the driver raises inside."""
    try:
        yield
    except _LOST as error:
        raise StoreLost(told(error)) from error
    except asyncpg.PostgresError as error:
        raise StoreRefused(told(error)) from error


def told(error: BaseException) -> str:
    """Return what the error says, on one line and without the full stop."""
    text = " ".join(str(error).split()).rstrip(".")
    if not text and isinstance(error, TimeoutError):
        return "no answer in time"
    return text or type(error).__name__
