"""Whom PostgreSQL runs as, since it refuses to run as root.

An ordinary user's PostgreSQL runs as that user. Root's runs in a user namespace, where
root goes by another number: outside, its files stay root's and nothing about ownership
changes. Where that is forbidden, it runs as an unprivileged account, which is given what
the program makes for it and nothing else.
"""

import contextlib
import os
import pwd
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from broker.store.embedded import launcher
from broker.store.errors import StoreUnusable


class Kind(Enum):
    SAME = "same"
    NAMESPACE = "namespace"
    USER = "user"


@dataclass(frozen=True)
class Account:
    """The user that PostgreSQL takes itself to be, and how it gets there."""

    kind: Kind
    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @property
    def spelled(self) -> str:
        """The account as the launcher reads it."""
        match self.kind:
            case Kind.SAME:
                return "same"
            case Kind.NAMESPACE:
                return f"namespace:{self.uid}:{self.gid}"
            case Kind.USER:
                return f"user:{self.uid}:{self.gid}:{','.join(map(str, self.groups))}"

    def __str__(self) -> str:
        if self.kind is Kind.NAMESPACE:
            return "root in a user namespace"
        try:
            return f"the account {pwd.getpwuid(self.uid).pw_name}"
        except KeyError:
            return f"the user id {self.uid}"

    def own(self, made: Path | int) -> None:
        """Give the account a file or folder that this program has just made."""
        if self.kind is Kind.USER:
            os.chown(made, self.uid, self.gid)


def choose_account(data_dir: Path, cluster: Path, postgres: Path, *, namespaces: bool) -> Account:
    """Return the first account that can enter the data directory and run `postgres`.

    Nothing is changed. Where there is a cluster, its owner decides: PostgreSQL opens no
    other's.

    Raises:
        StoreUnusable: there is no such account; the text says what each one lacks.
    """
    if os.geteuid() != 0:
        return Account(Kind.SAME, os.geteuid(), os.getegid())
    obstacles = []
    for account in _candidates(data_dir, cluster):
        if account.kind is Kind.NAMESPACE and not namespaces:
            obstacles.append("user namespaces are not to be used")
            continue
        obstacle = _try_out(account, (_nearest_existing(data_dir), postgres))
        if obstacle is None:
            return account
        obstacles.append(obstacle)
    raise StoreUnusable(
        f"PostgreSQL never runs as root, and for {data_dir} {' and '.join(obstacles)}. "
        "Start the broker as an ordinary user who owns its data directory, or choose another "
        "with --data-dir"
    )


def _candidates(data_dir: Path, cluster: Path) -> Iterator[Account]:
    owner = _owner(cluster)
    if owner is not None:
        yield _user(owner.st_uid, owner.st_gid) if owner.st_uid else _namespace()
        return
    yield _namespace()
    owner = _owner(data_dir)
    if owner is not None and owner.st_uid != 0:
        yield _user(owner.st_uid, owner.st_gid)
    elif (entry := _entry("postgres", "nobody")) is not None:
        yield _user(entry.pw_uid, entry.pw_gid)


def _owner(path: Path) -> os.stat_result | None:
    return path.stat() if path.exists() else None


def _namespace() -> Account:
    # The number inside is a label, but initdb wants to find its name in the user database.
    # `nobody` comes last: whatever is not mapped seems to be his as well.
    entry = _entry("postgres", "daemon", "nobody")
    if entry is None:
        return Account(Kind.NAMESPACE, 1, 1)
    return Account(Kind.NAMESPACE, entry.pw_uid, entry.pw_gid)


def _user(uid: int, gid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # the owner of a volume need not be known here
        return Account(Kind.USER, uid, gid, (gid,))
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(Kind.USER, uid, entry.pw_gid, tuple(groups))


def _entry(*names: str) -> pwd.struct_passwd | None:
    for name in names:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _try_out(account: Account, paths: Iterable[Path]) -> str | None:
    """Return what keeps the account from entering `paths`, or None when nothing does."""
    steps = [str(step) for path in paths for step in (*reversed(path.parents), path)]
    trial = subprocess.run(
        [*launcher_command(account), "--reach", *steps],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if trial.returncode == 0:
        return None
    if trial.returncode == launcher.UNREACHED:
        return f"{account} cannot enter {os.fsdecode(trial.stdout).rstrip()}"
    reason = os.fsdecode(trial.stderr).strip()
    if account.kind is Kind.NAMESPACE:
        return f"user namespaces are not possible here ({reason})"
    return f"it cannot become {account} ({reason})"


def launcher_command(account: Account) -> list[str]:
    """Return how the launcher is run for `account`, up to its verb."""
    return [sys.executable, "-I", "-S", launcher.__file__, account.spelled]
