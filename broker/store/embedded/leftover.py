"""The server that an earlier broker, killed or crashed, left on the cluster."""

import asyncio
import logging
import os
import signal
from pathlib import Path
from time import monotonic

from broker.store.embedded.child import StopLimits, stop_process
from broker.store.embedded.processes import is_postmaster

logger = logging.getLogger("pubsub.store")

_POLL_S = 0.01


async def clear_the_way(cluster: Path, limits: StopLimits) -> None:
    """Stop the server that still runs on the cluster, if one does.

    On return none does, and a new one will not mistake anything for one. Only for the
    holder of the lock. A process that is not a server of this cluster is never signalled,
    whatever its pid.
    """
    notice = cluster / "postmaster.pid"
    pid = named_pid(notice)
    if pid is not None and is_postmaster(pid, cluster):
        logger.warning("stopping the PostgreSQL (pid %d) that an earlier broker left", pid)
        await stop_process(_Leftover(pid, cluster), limits)
    _disown(notice)


def _disown(notice: Path) -> None:
    """Make the notice of a server that is gone harmless to the next.

    PostgreSQL would take a zombie, or another program that got the pid, for a server at
    work. Our own pid, its parent's, it knows for a stale one. It still needs the rest of
    the notice, to see whether backends that outlived their server are yet at the data.
    """
    try:
        content = notice.read_bytes()
    except FileNotFoundError:
        return
    first, newline, rest = content.partition(b"\n")
    if newline and first.isdigit():
        notice.write_bytes(b"%d\n%b" % (os.getpid(), rest))
    else:  # cut short: that server did not get far enough to have backends
        notice.unlink()


def named_pid(notice: Path) -> int | None:
    """Return the pid in a postmaster.pid, or None when there is no whole one."""
    try:
        first, newline, _ = notice.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    return int(first) if newline and first.isdigit() else None


class _Leftover:
    """A server that is no child of ours, so that its end can only be looked for."""

    def __init__(self, pid: int, cluster: Path) -> None:
        self.pid = pid
        self._cluster = cluster

    def signal(self, number: signal.Signals) -> None:
        if is_postmaster(self.pid, self._cluster):
            os.kill(self.pid, number)

    async def ended_within(self, limit_s: float) -> bool:
        deadline = monotonic() + limit_s
        while is_postmaster(self.pid, self._cluster):
            if monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True
