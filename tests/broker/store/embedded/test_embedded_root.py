"""Whom PostgreSQL runs as when the broker is root, and what other users can reach."""

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from broker.store.embedded import Address, EmbeddedPostgres
from broker.store.embedded.account import Kind, choose_account
from broker.store.embedded.host import Binaries, Host
from broker.store.errors import StoreUnusable

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="is about root on Linux"
)

Make = Callable[..., EmbeddedPostgres]
Query = Callable[[Address, str], Awaitable[object]]
Snapshot = Callable[[Path], dict[str, object]]

WITHOUT_NAMESPACES = Host(namespaces=False)

# Tries, as `nobody`, to reach the socket; tells which error it met.
_INTRUDER = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.chdir("/")
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
except OSError as error:
    print(type(error).__name__)
else:
    print("connected")
"""


@pytest.fixture
def unprivileged(binaries: Binaries) -> pwd.struct_passwd:
    """The account that takes over where namespaces are forbidden."""
    for folder in binaries.postgres.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            pytest.skip(f"other users cannot run PostgreSQL, {folder} is closed to them")
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def owners(data_dir: Path) -> dict[str, int]:
    return {path.name: path.lstat().st_uid for path in (data_dir, *data_dir.iterdir())}


def owner(path: str | Path) -> int:
    return Path(path).stat().st_uid


def uid_of(pid: int | None) -> int:
    return owner(f"/proc/{pid}")


def met_by_nobody(address: Address) -> str:
    intruder = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _INTRUDER, f"{address.host}/.s.PGSQL.5432"],
        check=True,
        capture_output=True,
        text=True,
    )
    return intruder.stdout.strip()


async def test_in_a_namespace_everything_stays_root_s(data_dir: Path, make: Make) -> None:
    postgres = make(data_dir)
    await postgres.start()
    assert set(owners(data_dir).values()) == {0}
    assert uid_of(postgres.pid) == 0
    assert owner(data_dir / "socket" / ".s.PGSQL.5432") == 0


@pytest.mark.parametrize("name", ["short", "long" * 25])
async def test_no_other_user_can_open_the_socket(data_dir: Path, make: Make, name: str) -> None:
    moved = data_dir.parent / name / "data"
    os.mkdir(moved.parent, 0o755)
    os.rename(data_dir, moved)
    os.chmod(moved, 0o755)
    postgres = make(moved)
    address = await postgres.start()
    assert met_by_nobody(address) == "PermissionError"
    # Each of the two doors is shut by itself; with both open the intruder gets in.
    folder, socket = Path(address.host), Path(address.host, ".s.PGSQL.5432")
    for opened, mode in ((folder, 0o755), (socket, 0o777)):
        usual = stat.S_IMODE(opened.stat().st_mode)
        opened.chmod(mode)
        assert met_by_nobody(address) == "PermissionError"
        opened.chmod(usual)
    folder.chmod(0o755)
    socket.chmod(0o777)
    assert met_by_nobody(address) == "connected"


async def test_without_namespaces_an_account_owns_what_is_made_for_it(
    place: Path,
    make: Make,
    query: Query,
    unprivileged: pwd.struct_passwd,
    start_broker: Callable[[Path], "subprocess.Popen[str]"],
    processes_in: Callable[[Path], set[int]],
    until: Callable[[Callable[[], bool]], Awaitable[None]],
) -> None:
    data_dir = place / "data"
    postgres = make(data_dir, host=WITHOUT_NAMESPACES)
    assert await query(await postgres.start(), "select 17") == 17
    assert uid_of(postgres.pid) == unprivileged.pw_uid
    assert set(owners(data_dir).values()) == {unprivileged.pw_uid}
    assert owner(place) == 0
    await postgres.stop()

    # From now on the owner of the cluster decides, and a kill takes the server along.
    broker = start_broker(data_dir)
    assert broker.stdout is not None
    assert uid_of(int(broker.stdout.readline())) == unprivileged.pw_uid
    broker.kill()
    await until(lambda: processes_in(data_dir) == set())


async def test_a_folder_of_root_s_stays_root_s_without_namespaces(
    place: Path, make: Make, unprivileged: pwd.struct_passwd
) -> None:
    data_dir = place / ("long" * 25)
    data_dir.mkdir()
    data_dir.chmod(0o755)
    postgres = make(data_dir, host=WITHOUT_NAMESPACES)
    address = await postgres.start()
    own = unprivileged.pw_uid
    made = {"lock": own, "postgres": own, "postgres.log": own, "socket": 0}
    assert owners(data_dir) == {data_dir.name: 0, **made}
    assert owner(address.host) == own
    await postgres.stop()


@pytest.mark.usefixtures("unprivileged")
def test_the_owner_of_the_data_directory_runs_postgresql(place: Path, binaries: Binaries) -> None:
    data_dir = place / "data"
    data_dir.mkdir(mode=0o700)
    os.chown(data_dir, 65534, 65534)
    # A namespace maps root alone, so there root too is shut out of a folder like this.
    for namespaces in (True, False):
        account = choose_account(
            data_dir, data_dir / "postgres", binaries.postgres, namespaces=namespaces
        )
        assert (account.kind, account.uid) == (Kind.USER, 65534)


@pytest.mark.usefixtures("unprivileged")
async def test_a_folder_that_the_account_cannot_enter_is_named(
    place: Path, make: Make, snapshot: Snapshot
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    before = snapshot(place)
    with pytest.raises(StoreUnusable, match=r"never runs as root.*cannot enter /.*--data-dir"):
        await make(closed / "data", host=WITHOUT_NAMESPACES).start()
    assert snapshot(place) == before


async def test_root_s_cluster_is_not_given_away_where_namespaces_are_forbidden(
    data_dir: Path, make: Make, snapshot: Snapshot
) -> None:
    before = snapshot(data_dir)
    with pytest.raises(StoreUnusable, match=r"never runs as root.*namespaces are not to be used"):
        await make(data_dir, host=WITHOUT_NAMESPACES).start()
    assert snapshot(data_dir) == before


def test_a_kernel_that_forbids_namespaces_is_believed(place: Path) -> None:
    choose = (
        "from pathlib import Path; from broker.store.embedded.account import choose_account; "
        f"choose_account(Path({str(place)!r}), Path('/none'), Path('/bin/sh'), namespaces=True)"
    )
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"]
    answer = subprocess.run(
        [*command, sys.executable, "-c", choose],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert "user namespaces are not possible here (No space left on device)" in answer.stderr
    assert "and it cannot become the account" in answer.stderr
