"""The address that a broker is looked at from: had before anything is changed, closed last."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from broker import Broker, CannotListen
from broker.listening import bind, close

HOST = "127.0.0.1"
DEFAULT_PORT = 3001  # where `pubsub top` looks, and what the documents name

Monitored = Callable[[Broker], Awaitable[str]]


@asynccontextmanager
async def monitor(port: int | None) -> AsyncIterator[Monitored]:
    """Have `port` of this machine; what is given back serves a broker there until the end.

    It returns the address, and is there while the broker drains, which it tells. Without a
    port nothing is served.

    Raises:
        CannotListen: the port is taken.
    """
    if port is None:
        yield _nothing
        return
    try:
        sockets = await bind(HOST, port)
    except CannotListen as error:
        raise CannotListen(str(error).replace("--port", "--http")) from error
    try:
        # Only who asks for it pays for importing it.
        from app.monitoring.server import Server

        server = Server(sockets[0])
        try:
            yield server.serve
        finally:
            await server.close()
    finally:
        close(sockets)


async def _nothing(broker: Broker) -> str:
    return ""
