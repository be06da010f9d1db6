"""The database cluster: made whole or not at all, and never opened by another release."""

import os
import pwd
import re
import shutil
import signal

from broker.store.embedded.account import Account
from broker.store.embedded.child import Child, to_the_end
from broker.store.embedded.folder import Folder, make_durable
from broker.store.embedded.host import Binaries
from broker.store.embedded.lock import Lock
from broker.store.embedded.serverlog import ServerLog
from broker.store.errors import StoreUnusable

# Letters of all scripts, the same order on every machine, and no system library whose
# next release could change that order under an index.
_INITDB = (
    "--username=postgres",
    "--auth=trust",  # who can enter the socket's folder is the owner, who could read the files
    "--encoding=UTF8",
    "--locale=C",
    "--data-checksums",
    "--no-instructions",
)
_BUILTIN_LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_FIRST_WITH_BUILTIN_LOCALE = 17


def check_release(folder: Folder, binaries: Binaries) -> None:
    """Check that these binaries can open the cluster, if there is one. Changes nothing.

    Raises:
        StoreUnusable: another major release made it; the text tells the way to upgrade.
    """
    if not folder.cluster.exists():
        return
    made_by = _release(folder)
    if made_by is None:
        raise StoreUnusable(
            f"{folder.cluster} is not a PostgreSQL database, or parts of it are lost: no file "
            "PG_VERSION in it names a release. Restore the data directory from a backup, or "
            "choose another with --data-dir"
        )
    if made_by != str(binaries.major):
        raise StoreUnusable(
            f"the database in {folder.path} was made by PostgreSQL {made_by}, and PostgreSQL "
            f"{binaries.major} ({binaries.folder}) cannot open it; nothing was changed. To go on, "
            f"run it with PostgreSQL {made_by} or with the release of this program that brought "
            "it, save it with pg_dump, and restore that into a new --data-dir; or keep that "
            "PostgreSQL and give its URL with --store"
        )


def _release(folder: Folder) -> str | None:
    """Return the major release that made the cluster, or None where it does not say."""
    try:
        content = (folder.cluster / "PG_VERSION").read_bytes().strip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    return content.decode() if re.fullmatch(rb"[0-9]+(\.[0-9]+)?", content) else None


async def make_cluster(
    folder: Folder, binaries: Binaries, account: Account, log: ServerLog, lock: Lock
) -> None:
    """Make the cluster where there is none yet.

    It is on disk before it gets its name, so a crash or a cancel at any moment leaves
    either a whole cluster or a neighbour folder that the next call throws away.

    Raises:
        StoreUnusable: initdb failed; the text quotes it.
    """
    if folder.cluster.exists():
        return
    _check_name(account)
    if folder.new_cluster.exists():
        shutil.rmtree(folder.new_cluster)
    folder.new_cluster.mkdir(mode=0o700)
    account.own(folder.new_cluster)
    await _initdb(folder, binaries, account, log, lock)
    os.rename(folder.new_cluster, folder.cluster)
    make_durable(folder.path)


async def _initdb(
    folder: Folder, binaries: Binaries, account: Account, log: ServerLog, lock: Lock
) -> None:
    builtin = _BUILTIN_LOCALE if binaries.major >= _FIRST_WITH_BUILTIN_LOCALE else ()
    with log.opened(account) as output:
        initdb = Child(
            binaries.initdb,
            ["-D", str(folder.new_cluster), *_INITDB, *builtin],
            account=account,
            folder=folder.path,
            output=output,
            death_signal=signal.SIGKILL,
            # Should the broker be killed now, the next one waits until the last program of
            # this initdb has ended, and finds nobody writing into the folder it removes.
            inherited=[lock.file],
        )
    try:
        await initdb.wait()
    finally:
        await to_the_end(initdb.kill_with_its_children())
    if not initdb.succeeded:
        raise StoreUnusable(
            f"initdb could not make a database in {folder.path}: {log.last_words()}. "
            f"Mend that and start again; {log.path} has all it said"
        )


def _check_name(account: Account) -> None:
    try:
        pwd.getpwuid(account.uid)
    except KeyError:
        raise StoreUnusable(
            f"PostgreSQL's initdb needs a name for the user id {account.uid}, which has none on "
            "this machine. Add a line for it to /etc/passwd, or run as a user that has one"
        ) from None
