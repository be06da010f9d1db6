"""The folder with the server's socket, which nobody but this user can enter."""

import logging
import os
import sys
import tempfile
from pathlib import Path

from broker.store.embedded.account import Account
from broker.store.errors import StoreUnusable

PORT = 5432

logger = logging.getLogger("pubsub.store")

_SOCKET = f".s.PGSQL.{PORT}"
_LONGEST_PATH = 107 if sys.platform == "linux" else 103  # bytes the kernel takes
_PREFIX = "pubsub-"


class SocketFolder:
    """A 0700 folder `inside` the data directory, or elsewhere where that path is too long.

    In the second case `inside` is a symbolic link to it, so that a folder that a killed
    broker left behind is found again and removed.
    """

    def __init__(self, inside: Path) -> None:
        self._inside = inside
        self.path = inside

    def make(self, account: Account) -> None:
        """Make the folder anew, empty, and give it to the account."""
        self.remove()
        if _fits(self._inside):
            self._inside.mkdir(mode=0o700)
            self.path = self._inside
        else:
            self.path = _private_folder()
            self._inside.symlink_to(self.path)
        account.own(self.path)

    def clear(self) -> None:
        """Remove the socket of a server that is gone, and the lock that names its pid."""
        for name in (_SOCKET, f"{_SOCKET}.lock"):
            (self.path / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what `make` made, in this run or an earlier one. Harmless when repeated."""
        if self._inside.is_symlink():
            self.path = self._inside.readlink()
            if _is_ours(self.path, self._inside):
                self.clear()
                self.path.rmdir()
            self._inside.unlink()
        elif self._inside.exists():
            self.path = self._inside
            self.clear()
            self.path.rmdir()


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / _SOCKET)) <= _LONGEST_PATH


def _private_folder() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):
        if _fits(Path(parent, f"{_PREFIX}12345678")):
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    raise StoreUnusable(
        "the path of the data directory is too long for a socket, and so is TMPDIR. "
        "Choose a shorter path with --data-dir"
    )


def _is_ours(folder: Path, link: Path) -> bool:
    """Return whether the link leads to a folder of our making.

    Temporary folders are cleaned by others, and then anybody may make one of that name.
    """
    if not folder.name.startswith(_PREFIX) or not folder.is_dir() or folder.is_symlink():
        return False
    found = folder.stat()
    return found.st_uid in (os.geteuid(), link.parent.joinpath("postgres").stat().st_uid)
