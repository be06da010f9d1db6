"""Where a store is, as a person names it: a URL, or a data directory."""

from pathlib import Path

from broker.store.copying import Copyable
from broker.store.jetstream import JetStreamStore
from broker.store.jetstream.address import SCHEMES as NATS_URLS
from broker.store.jetstream.copying import JetStreamCopy
from broker.store.postgres import EmbeddedStore, PostgresStore
from broker.store.postgres.copying import EmbeddedCopy, PostgresCopy

URLS = ("postgresql://", "postgres://")


class UnknownPlace(ValueError):
    """It names no store; the text says what does."""


def copyable(place: str) -> Copyable:
    """Return the store at `place`, not opened yet, for copying.

    A server that may lose something in a power cut is taken as well: what is copied is compared,
    and a broker that is to serve it says so.

    Raises:
        UnknownPlace: there is no such kind of store.
    """
    if place.startswith(URLS):
        return PostgresCopy(PostgresStore(place, allow_unsafe=True, alone=True))
    if place.startswith(NATS_URLS):
        return JetStreamCopy(place, JetStreamStore(place, alone=True))
    kind, is_url, _ = place.partition("://")
    if is_url or not place:
        told = f"a URL that begins with {kind}://" if is_url else "nothing"
        raise UnknownPlace(f"it takes postgresql://..., nats://... or a data directory, not {told}")
    return EmbeddedCopy(EmbeddedStore(Path(place).expanduser()))
