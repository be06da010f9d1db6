"""The embedded PostgreSQL from start to stop."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from broker.store import embedded
from broker.store.embedded import Address, EmbeddedPostgres

Make = Callable[..., EmbeddedPostgres]
Query = Callable[[Address, str], Awaitable[object]]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def moved_into(parent: Path, data_dir: Path) -> Path:
    parent.mkdir()
    return data_dir.rename(parent / "data")


def test_the_first_start_makes_a_folder_that_only_its_owner_can_enter(shared: Address) -> None:
    data_dir = Path(shared.host).parent
    assert shared == Address(str(data_dir / "socket"), 5432, "postgres", "pubsub")
    assert names_in(data_dir) == {"lock", "postgres", "postgres.log", "socket"}
    assert {mode(data_dir / name) for name in (".", "postgres", "socket")} == {0o700}
    assert {mode(data_dir / name) for name in ("lock", "postgres.log")} == {0o600}


async def test_the_environment_of_other_servers_is_not_ours(shared: Address, query: Query) -> None:
    assert await query(shared, "show fsync") == "on"
    assert await query(shared, "show lc_messages") == "C"


async def test_what_was_written_is_there_after_a_stop_and_a_start(
    data_dir: Path, make: Make, query: Query
) -> None:
    postgres = make(data_dir)
    await query(await postgres.start(), "create table kept_over_stop as select 17 as number")
    await postgres.stop()
    assert await query(await postgres.start(), "select number from kept_over_stop") == 17


async def test_a_folder_that_was_there_keeps_its_permissions(data_dir: Path, make: Make) -> None:
    os.chmod(data_dir, 0o755)
    await make(data_dir).start()
    assert mode(data_dir) == 0o755


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("wal_level", "replica"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("server_encoding", "UTF8"),
        ("jit", "off"),
        ("plan_cache_mode", "force_generic_plan"),
    ],
)
async def test_the_database_is_durable_private_and_quick(
    shared: Address, query: Query, setting: str, value: str
) -> None:
    assert await query(shared, f"show {setting}") == value


async def test_letters_sort_the_same_on_every_machine(shared: Address, query: Query) -> None:
    found = "select datlocale from pg_database where datname = 'pubsub' and datlocprovider = 'b'"
    assert await query(shared, found) == "C.UTF-8"
    assert await query(shared, "select upper('äé')") == "ÄÉ"


async def test_a_missing_database_is_made_again(data_dir: Path, make: Make, query: Query) -> None:
    postgres = make(data_dir)
    address = await postgres.start()
    elsewhere = Address(address.host, address.port, address.user, "postgres")
    await query(elsewhere, "drop database pubsub")
    await postgres.stop()
    assert await query(await postgres.start(), "select current_database()") == "pubsub"


async def test_the_server_has_a_session_of_its_own_so_that_ctrl_c_passes_it_by(
    data_dir: Path, make: Make
) -> None:
    postgres = make(data_dir)
    await postgres.start()
    assert postgres.pid is not None
    assert os.getsid(postgres.pid) == postgres.pid


async def test_stop_leaves_no_process_no_socket_and_no_lock(
    data_dir: Path, make: Make, processes_in: Callable[[Path], set[int]]
) -> None:
    postgres = make(data_dir)
    await postgres.start()
    assert postgres.pid in processes_in(data_dir)
    await postgres.stop()
    assert postgres.pid is None
    assert processes_in(data_dir) == set()
    assert names_in(data_dir) == {"lock", "postgres", "postgres.log"}
    assert (data_dir / "lock").read_bytes() == b""
    assert b"database system is shut down" in (data_dir / "postgres.log").read_bytes()


async def test_start_and_stop_may_be_repeated(data_dir: Path, make: Make) -> None:
    postgres = make(data_dir)
    await postgres.stop()
    await asyncio.gather(postgres.start(), postgres.start())
    pid = postgres.pid
    await postgres.start()
    assert postgres.pid == pid
    await asyncio.gather(postgres.stop(), postgres.stop())
    await postgres.stop()


async def test_a_cancelled_stop_goes_on_to_its_end(
    data_dir: Path, make: Make, processes_in: Callable[[Path], set[int]]
) -> None:
    postgres = make(data_dir)
    await postgres.start()
    stopping = asyncio.create_task(postgres.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert processes_in(data_dir) == set()


async def test_there_is_no_address_before_the_start(place: Path, make: Make) -> None:
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = make(place / "data").address


async def test_several_run_side_by_side(
    data_dir: Path, make: Make, shared: Address, query: Query
) -> None:
    postgres = make(data_dir)
    address = await postgres.start()
    assert await query(address, "show data_directory") == str(data_dir / "postgres")
    await postgres.stop()
    assert await query(shared, "show data_directory") != str(data_dir / "postgres")


async def test_it_runs_on_uvloop_in_a_thread(data_dir: Path, query: Query) -> None:
    async def live() -> object:
        postgres = EmbeddedPostgres(data_dir)
        try:
            return await query(await postgres.start(), "select 17")
        finally:
            await postgres.stop()

    assert await asyncio.to_thread(uvloop.run, live()) == 17


@pytest.mark.parametrize("name", ['it\'s "naïve" ☃, or -D not', " $HOME 'a' "])
async def test_any_name_will_do(data_dir: Path, make: Make, query: Query, name: str) -> None:
    moved = moved_into(data_dir.parent / name, data_dir)
    assert await query(await make(moved).start(), "select 17") == 17


async def test_a_relative_path_and_a_link_lead_to_the_same_folder(
    data_dir: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_dir.parent)
    os.symlink("data", "link")
    address = await make(Path("link")).start()
    assert address.host == str(data_dir / "socket")


async def test_a_path_too_long_for_a_socket_gets_a_private_folder_until_the_stop(
    data_dir: Path, make: Make, query: Query
) -> None:
    moved = moved_into(data_dir.parent / ("long " * 20), data_dir)
    postgres = make(moved)
    address = await postgres.start()
    folder = Path(address.host)
    assert not folder.is_relative_to(moved)
    assert mode(folder) == 0o700
    assert await query(address, "select 17") == 17
    await postgres.stop()
    assert folder.name not in names_in(folder.parent)
    assert names_in(moved) == {"lock", "postgres", "postgres.log"}


def test_nothing_but_the_two_words_is_offered() -> None:
    assert set(embedded.__all__) == {"Address", "EmbeddedPostgres"}
