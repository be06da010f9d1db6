"""A data directory, looked at without changing a byte: whose it is, its space, its PostgreSQL."""

import os
import pwd
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from app.doctor.finding import Finding, note, ok, wrong
from broker.disk import free_bytes
from broker.settings import MIB, Settings
from broker.store.embedded.cluster import check_release
from broker.store.embedded.folder import Folder
from broker.store.embedded.host import Binaries, find_binaries
from broker.store.embedded.processes import lives
from broker.store.embedded.sockets import PORT
from broker.store.errors import StoreUnusable

FEW = 4  # with so many times the floor free, a disk is about to be full

_STATES = {
    "shut down": "The database was shut down cleanly.",
    "in production": "The database was not shut down: its broker was killed, or the machine went"
    " down. The next start recovers it; nothing that was acknowledged is lost.",
}


def examine_data_dir(folder: Folder) -> Iterator[Finding]:
    """Yield what can be seen from outside, whether a broker serves it or not."""
    yield from _binaries(folder)
    if not folder.path.exists():
        yield note(f"There is no {folder.path} yet; the first `pubsub broker` makes it.")
        yield from _space(_nearest(folder.path))
        return
    try:
        folder.inspect()
    except StoreUnusable as error:
        yield wrong(_sentence(error), "Name the broker's own directory with --data-dir.")
        return
    yield from _permissions(folder)
    yield from _space(folder.path)


def holder(folder: Folder) -> int | None:
    """Return the pid of the broker that serves the directory, or None."""
    try:
        first, _, _ = folder.lock.read_bytes().partition(b" ")
    except OSError:
        return None
    pid = int(first) if first.isdigit() else None
    return pid if pid is not None and lives(pid) else None


def socket_of(folder: Folder) -> Path:
    """Return where the PostgreSQL of a broker that serves listens."""
    return Path(os.path.realpath(folder.socket), f".s.PGSQL.{PORT}")


def examine_at_rest(folder: Folder) -> Iterator[Finding]:
    """Yield what is known of the database while no broker serves it."""
    yield ok(
        "fsync, full_page_writes and synchronous_commit will be on: the broker starts its"
        " PostgreSQL with them, whatever the files say."
    )
    if not folder.cluster.exists():
        return
    try:
        told = _controlled(folder, find_binaries())
    except (OSError, StoreUnusable, subprocess.SubprocessError):
        return
    state = told.get("Database cluster state", "unknown")
    yield ok(_STATES[state]) if state in _STATES else note(f"The database's state is {state!r}.")
    if told.get("Data page checksum version") == "0":
        yield note("The database has no checksums, so a disk that corrupts it is noticed late.")


def _binaries(folder: Folder) -> Iterator[Finding]:
    try:
        binaries = find_binaries()
        check_release(folder, binaries)
    except StoreUnusable as error:
        yield wrong(_sentence(error), "See `docs/operations.md`, Upgrade.")
        return
    yield ok(f"PostgreSQL {binaries.major} comes along, in {binaries.folder}.")


def _permissions(folder: Folder) -> Iterator[Finding]:
    status = folder.path.stat()
    if os.geteuid() not in (0, status.st_uid):
        yield wrong(
            f"{folder.path} belongs to {_name(status.st_uid)}, and this is {_name(os.geteuid())}.",
            f"Run the broker, and this, as {_name(status.st_uid)}.",
        )
        return
    fine = True
    for path in (folder.path, folder.cluster, folder.socket):
        if not path.exists():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            fine = False
            yield wrong(
                f"Other users of this machine can get into {path}: its mode is {mode:04o}.",
                f"chmod 700 '{path}'",
            )
    if fine:
        yield ok(f"{folder.path} is closed to other users of this machine.")
    if not os.access(folder.path, os.W_OK | os.X_OK):
        yield wrong(
            f"{folder.path} cannot be written to.",
            f"Check its owner and mode, and that its disk is not mounted read-only: ls -ld"
            f" '{folder.path}'",
        )


def _space(path: Path) -> Iterator[Finding]:
    free, floor = free_bytes(path), Settings(data_dir=path).disk_floor_bytes
    told = f"The disk of {path} has {free // MIB:,} MiB free"
    if free < floor:
        yield wrong(
            f"{told}; below {floor // MIB} MiB publishes are refused.",
            "Make room; publishing goes on by itself.",
        )
    elif free < FEW * floor:
        yield note(f"{told}; below {floor // MIB} MiB publishes are refused. Make room soon.")
    else:
        yield ok(f"{told}.")


def _controlled(folder: Folder, binaries: Binaries) -> dict[str, str]:
    """Return what pg_controldata tells of the cluster."""
    answer = subprocess.run(
        [binaries.folder / "pg_controldata", "-D", folder.cluster],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C"},
        timeout=10,
    )
    return dict(
        re.findall(r"^(.+?):\s*(.*)$", answer.stdout.decode(errors="replace"), re.MULTILINE)
    )


def _nearest(path: Path) -> Path:
    return next(folder for folder in path.parents if folder.is_dir())


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:].rstrip(".") + "."
