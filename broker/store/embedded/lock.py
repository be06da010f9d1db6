"""The lock that gives a data directory to one broker."""

import asyncio
import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from broker.store.embedded.account import Account
from broker.store.embedded.processes import lives
from broker.store.errors import StoreUnusable

_POLL_S = 0.02
_LAST_BREATH_S = 0.3  # a process that is being killed holds its locks for some moments yet


class Lock:
    """Held from `acquire` to `release`, or until this process dies.

    The kernel keeps it with the open file, so it never outlives its holder. The content,
    the holder's pid and since when, is for people and for the message to the next one. The
    file stays: removing it would let two brokers lock two files of one name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    @property
    def file(self) -> int:
        """The open file; a child that inherits it holds the lock too, until it ends."""
        assert self._file is not None, "the lock is not held"
        return self._file

    async def acquire(self, account: Account, *, patience_s: float) -> None:
        """Take the lock and write down who has it.

        While its holder is dead the lock is only still held by a program that the holder
        had begun, which is waited for.

        Raises:
            StoreUnusable: a living process holds it, or the wait took over `patience_s`.
        """
        file = self._open(account)
        try:
            asked_at = monotonic()
            while not _try_to_lock(file):
                holder = _holder(file)
                alive = holder is not None and lives(holder)
                if monotonic() - asked_at > (_LAST_BREATH_S if alive else patience_s):
                    raise self._refusal(holder)
                await asyncio.sleep(_POLL_S)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()} since {now}\n".encode(), 0)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def release(self) -> None:
        if self._file is None:
            return
        os.ftruncate(self._file, 0)  # the next one shall not name us as its holder
        os.close(self._file)
        self._file = None

    def _open(self, account: Account) -> int:
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(self._path, os.O_RDWR)
        account.own(file)
        return file

    def _refusal(self, holder: int | None) -> StoreUnusable:
        return StoreUnusable(
            f"the data directory {self._path.parent} is in use by the broker with pid "
            f"{holder or 'unknown'}. Connect to that broker, or choose another with --data-dir"
        )


def _try_to_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: int) -> int | None:
    """Return the pid in the file, or None while its holder has not written it yet."""
    first, _, _ = os.pread(file, 64, 0).partition(b" ")
    return int(first) if first.isdigit() else None
