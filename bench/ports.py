"""Ports for servers that have to be told theirs before they start."""

import secrets
import socket

# Below the ports that the kernel gives by itself (ip_local_port_range, 32768 and up unless set
# otherwise), so that no connection or other server takes one between the asking and the use.
_FIRST, _END = 10_000, 32_768


def free_ports(count: int) -> range:
    """Return ports of loopback in a row that nobody has at the moment."""
    while True:
        first = _FIRST + secrets.randbelow(_END - _FIRST - count)
        ports = range(first, first + count)
        if all(map(_is_free, ports)):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
