"""The broker's data directory: what lies in it, and whether it is ours to use."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from broker.store.embedded.account import Account
from broker.store.errors import StoreUnusable

# The root of a freshly made file system is as good as an empty folder.
_NOBODY_S = frozenset({"lost+found"})


class Folder:
    """The paths inside one data directory."""

    def __init__(self, data_dir: Path) -> None:
        # Resolved, so that one folder has one name, by which a server left over is known.
        self.path = Path(os.path.realpath(data_dir))
        self.lock = self.path / "lock"
        self.cluster = self.path / "postgres"
        self.new_cluster = self.path / "postgres.new"
        self.log = self.path / "postgres.log"
        self.socket = self.path / "socket"

    def inspect(self) -> None:
        """Check that the folder is ours, or empty, or not there yet. Changes nothing.

        Raises:
            StoreUnusable: it holds something else, or is no folder.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise StoreUnusable(
                f"the data directory {self.path} is not a directory. Choose another with --data-dir"
            )
        names = set(os.listdir(self.path)) - _NOBODY_S
        if names and not names & {self.lock.name, self.cluster.name}:
            raise StoreUnusable(
                f"the data directory {self.path} holds files that are not the broker's, such as "
                f"{min(names)!r}. Choose an empty or a new directory with --data-dir"
            )

    def make(self, account: Account) -> None:
        """Make the folder where it is missing, for this user alone, and its parents.

        A folder that exists keeps the permissions it has.
        """
        missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=0o700 if path == self.path else 0o777)
            account.own(path)
            with contextlib.suppress(PermissionError):  # one may write here and not read
                make_durable(path.parent)


def make_durable(folder: Path) -> None:
    """Bring to disk which names the folder holds."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def usable(folder: Folder) -> Iterator[None]:
    """Turn what the operating system refuses into words for a person."""
    try:
        yield
    except OSError as error:
        where = "" if error.filename in (None, str(folder.path)) else f" at {error.filename}"
        raise StoreUnusable(
            f"the data directory {folder.path} cannot be used: {error.strerror or error}{where}. "
            "Mend that, or choose another with --data-dir"
        ) from error
