"""Who listens on a port, and which one is free: for the person whose broker cannot."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"  # the state in /proc/net/tcp


def holder_of(port: int, proc: Path = Path("/proc")) -> str | None:
    """Return "name (pid 123)" of the process that listens on `port`, where that can be seen.

    Only Linux tells, and of other people's processes only to root.
    """
    wanted = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not wanted:
        return None
    for folder in proc.glob("[0-9]*"):
        with suppress(OSError):
            if any(os.readlink(file) in wanted for file in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()} (pid {folder.name})"
    return None


def free_port_after(host: str, port: int) -> int | None:
    """Return the next port on which nobody listens, or None where there is none near."""
    for other in range(port + 1, min(port + 100, 65_536)):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, other))
            return other
    return None


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (proc / "net" / name).read_text().splitlines()[1:]:
                parts = line.split()
                if parts[3] == _LISTENS and int(parts[1].rpartition(":")[2], 16) == port:
                    yield parts[9]
