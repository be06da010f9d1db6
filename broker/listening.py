"""The address that a broker listens on: had first of all, opened to clients last."""

import asyncio
import errno
import socket
from collections.abc import Iterable
from typing import Any

# A host may have addresses of a kind that this machine does not use, such as IPv6.
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class CannotListen(Exception):
    """The address cannot be listened on. The text says why and what to do."""


async def bind(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of `host`, bound to `port` and not listening yet.

    So a port that is taken is known before anything is changed, and nobody can connect
    before there is someone to answer. Port 0 takes a free one, the same for all.

    Raises:
        CannotListen: the address is taken, or not ours.
    """
    loop = asyncio.get_running_loop()
    bound: list[socket.socket] = []
    fault: OSError | None = None
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, place in dict.fromkeys((family, place) for family, *_, place in found):
            try:
                bound.append(_bound(family, (place[0], _port(bound, port), *place[2:])))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                fault = error
        if fault is not None and not bound:
            raise fault
    except (OSError, UnicodeError) as error:
        close(bound)
        raise cannot_listen(host, port, error) from error
    return bound


def close(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        one.close()


def cannot_listen(host: str, port: int, error: Exception) -> CannotListen:
    """Return what `error` means for a person."""
    where = shown(host, port)
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return CannotListen(
            f"{where} is in use by another program. Stop that one, or choose another port with"
            " --port (0 takes any free one)"
        )
    if number == errno.EACCES:
        return CannotListen(
            f"this user may not listen on {where}. Choose a port from 1024 on with --port"
        )
    if number == errno.EADDRNOTAVAIL:
        return CannotListen(f"{host} is no address of this machine. Choose one with --host")
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return CannotListen(f"cannot listen on {where}: {why}. Choose another address with --host")


def shown(host: str, port: int) -> str:
    """Return an address as a person writes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(bound: list[socket.socket], port: int) -> int:
    return bound[0].getsockname()[1] if bound else port


def _bound(family: int, place: tuple[Any, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # The connections of an earlier broker that are still winding up do not count.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(place)
    except BaseException:
        made.close()
        raise
    return made
