"""The address that a broker listens on: had first of all, opened to clients last."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

# A host may have addresses of a kind that this machine does not use, such as IPv6.
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}

# macOS has its own name for it.
_KEEPALIVE_IDLE: int = getattr(socket, "TCP_KEEPIDLE", 0) or getattr(socket, "TCP_KEEPALIVE", 0)


class CannotListen(Exception):
    """The address cannot be listened on. The text says why and what to do."""


class TooOpen(CannotListen):
    """Strangers could reach the address, and nothing would keep them out."""


async def bind(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Return a socket for each address of `host`, bound to `port` and not listening yet.

    So a port that is taken is known before anything is changed, and nobody can connect
    before there is someone to answer. Port 0 takes a free one, the same for all. What is
    `shared` can be bound once more, by a process of the same user that shares it too: then
    each connection goes to one of those that listen.

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
                bound.append(_bound(family, (place[0], _port(bound, port), *place[2:]), shared))
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


def on_loopback(sockets: Iterable[socket.socket]) -> bool:
    """Whether only this machine reaches all of `sockets`."""
    return all(ipaddress.ip_address(one.getsockname()[0]).is_loopback for one in sockets)


def too_open(host: str) -> TooOpen:
    return TooOpen(
        f"{host} can be reached from other machines, where anyone could read along and sign in as"
        " anyone. Add --tls-cert FILE --tls-key FILE --auth password, or listen on 127.0.0.1, or"
        " add --insecure if that network is yours alone"
    )


def watch_peers(sockets: Iterable[socket.socket], dead_peer_s: int) -> None:
    """Have the connections of `sockets` break when a peer's machine is silent for so long.

    They have it from the socket that listens. A peer that merely has nothing to say answers.
    """
    probes = 4
    idle_s = max(dead_peer_s // 2, 1)
    every_s = max((dead_peer_s - idle_s) // probes, 1)
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        one.setsockopt(socket.IPPROTO_TCP, _KEEPALIVE_IDLE, idle_s)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every_s)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)


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


def _bound(family: int, place: tuple[Any, ...], shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # The connections of an earlier broker that are still winding up do not count.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(place)
    except BaseException:
        made.close()
        raise
    return made
