"""Which store the demonstration plays on."""

from app.commands.faults import WrongUsage
from app.demo.jetstream import GivenJetStream
from app.demo.postgres import GivenPostgres, TemporaryPostgres
from app.demo.stores import Stores
from broker.store.jetstream.address import SCHEMES as NATS_SCHEMES
from broker.store.jetstream.address import NotAnAddress

POSTGRES_SCHEMES = ("postgresql://", "postgres://")


def stores_at(url: str | None) -> Stores:
    """Return what makes places at `url`, or on a temporary PostgreSQL where there is none.

    Nothing is connected to yet.

    Raises:
        WrongUsage: the URL is not one that can be used.
    """
    if url is None:
        return TemporaryPostgres()
    if url.startswith(POSTGRES_SCHEMES):
        return GivenPostgres(url)
    if not url.startswith(NATS_SCHEMES):
        raise WrongUsage("--store takes a URL that begins with nats:// or postgresql://")
    try:
        return GivenJetStream(url)
    except NotAnAddress as error:
        raise WrongUsage(f"--store cannot be used: {error}") from error
