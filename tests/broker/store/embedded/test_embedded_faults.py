"""The embedded PostgreSQL after kills, crashes and cancels: afterwards work goes on."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from broker.store.embedded import Address, EmbeddedPostgres
from broker.store.embedded.account import Account, Kind
from broker.store.embedded.child import StopLimits
from broker.store.embedded.host import Host
from broker.store.embedded.lock import Lock
from broker.store.errors import StoreUnusable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

Make = Callable[..., EmbeddedPostgres]
Query = Callable[[Address, str], Awaitable[object]]
Processes = Callable[[Path], set[int]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Bystander = Callable[..., "subprocess.Popen[bytes]"]
StartBroker = Callable[[Path], "subprocess.Popen[str]"]


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def started(broker: "subprocess.Popen[str]") -> int:
    """Wait until the broker's server runs and return that one's pid."""
    assert broker.stdout is not None
    return int(await asyncio.to_thread(broker.stdout.readline))


async def test_a_killed_server_is_started_again_with_all_that_was_committed(
    data_dir: Path, make: Make, query: Query, caplog: pytest.LogCaptureFixture
) -> None:
    restarted = asyncio.Event()
    postgres = make(data_dir, on_restart=restarted.set)
    address = await postgres.start()
    await query(address, "create table kept_over_kill as select 17 as number")
    killed = postgres.pid
    kill(killed)
    await restarted.wait()
    assert postgres.address == address
    assert await query(address, "select number from kept_over_kill") == 17
    assert postgres.pid not in (None, killed)
    assert [record.name for record in caplog.records] == ["pubsub.store", "pubsub.store"]
    assert "ended with signal 9" in caplog.text
    assert "accepts connections again" in caplog.text


async def test_an_error_in_on_restart_does_not_end_the_watch(data_dir: Path, make: Make) -> None:
    restarts: asyncio.Queue[None] = asyncio.Queue()
    errors: list[object] = []

    def fail() -> None:
        restarts.put_nowait(None)
        raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context.get("exception")))
    postgres = make(data_dir, on_restart=fail)
    await postgres.start()
    for _ in range(3):
        kill(postgres.pid)
        await restarts.get()
    loop.set_exception_handler(None)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 3


async def test_a_server_that_cannot_come_back_yet_is_tried_until_it_does(
    data_dir: Path, make: Make, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    restarted = asyncio.Event()
    postgres = make(data_dir, on_restart=restarted.set)
    await postgres.start()
    settings = data_dir / "postgres" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text("no_such_setting = on\n")
    kill(postgres.pid)
    await until(lambda: caplog.text.count("the next try is in") == 2)
    assert "contains errors" in caplog.text
    settings.write_text(good)
    await restarted.wait()


async def test_a_stop_between_two_tries_ends_them(
    data_dir: Path,
    make: Make,
    until: Until,
    processes_in: Processes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    postgres = make(data_dir)
    await postgres.start()
    (data_dir / "postgres" / "postgresql.conf").write_text("no_such_setting = on\n")
    kill(postgres.pid)
    await until(lambda: "the next try is in" in caplog.text)
    await postgres.stop()
    assert processes_in(data_dir) == set()


async def test_backends_that_outlive_a_killed_server_are_waited_for(
    data_dir: Path,
    make: Make,
    until: Until,
    processes_in: Processes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    restarted = asyncio.Event()
    postgres = make(data_dir, on_restart=restarted.set)
    address = await postgres.start()
    connection = await asyncpg.connect(
        host=address.host, user=address.user, database=address.database
    )
    backend = connection.get_server_pid()
    os.kill(backend, signal.SIGSTOP)  # as one at a long statement, it does not look up
    kill(postgres.pid)
    await until(lambda: "still in use" in caplog.text)
    assert not restarted.is_set()
    os.kill(backend, signal.SIGCONT)
    connection.terminate()
    await restarted.wait()


async def test_a_killed_broker_takes_its_server_along(
    data_dir: Path, start_broker: StartBroker, processes_in: Processes, until: Until
) -> None:
    broker = start_broker(data_dir)
    await started(broker)
    broker.kill()
    await until(lambda: processes_in(data_dir) == set())
    assert b"database system is shut down" in (data_dir / "postgres.log").read_bytes()


async def test_the_next_broker_need_not_wait_for_a_killed_one_s_server(
    data_dir: Path, make: Make, query: Query, start_broker: StartBroker
) -> None:
    broker = start_broker(data_dir)
    await started(broker)
    broker.kill()
    broker.wait()
    assert await query(await make(data_dir).start(), "select 17") == 17


async def test_broker_and_server_killed_together_lose_nothing(
    data_dir: Path, make: Make, query: Query, start_broker: StartBroker
) -> None:
    broker = start_broker(data_dir)
    server = await started(broker)
    address = Address(str(data_dir / "socket"), 5432, "postgres", "pubsub")
    await query(address, "create table kept_over_crash as select 17 as number")
    os.kill(broker.pid, signal.SIGSTOP)  # so that it cannot start another in between
    kill(server)
    broker.kill()
    postgres = make(data_dir)
    assert await query(await postgres.start(), "select number from kept_over_crash") == 17
    assert b"automatic recovery in progress" in (data_dir / "postgres.log").read_bytes()


async def test_a_start_waits_for_the_backends_that_outlive_both(
    data_dir: Path, make: Make, query: Query, start_broker: StartBroker, until: Until
) -> None:
    broker = start_broker(data_dir)
    server = await started(broker)
    connection = await asyncpg.connect(
        host=str(data_dir / "socket"), user="postgres", database="pubsub"
    )
    backend = connection.get_server_pid()
    for pid in (backend, broker.pid):
        os.kill(pid, signal.SIGSTOP)
    kill(server)
    broker.kill()
    starting = asyncio.create_task(make(data_dir).start())
    await until(lambda: "still in use" in (data_dir / "postgres.log").read_text())
    os.kill(backend, signal.SIGCONT)
    connection.terminate()
    assert await query(await starting, "select 17") == 17


async def test_a_server_that_outlived_its_broker_is_stopped_and_replaced(
    data_dir: Path,
    make: Make,
    query: Query,
    start_broker: StartBroker,
    processes_in: Processes,
    until: Until,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = start_broker(data_dir)
    server = await started(broker)
    os.kill(server, signal.SIGSTOP)  # so that it does not hear of its broker's death
    broker.kill()
    broker.wait()
    postgres = make(data_dir)
    starting = asyncio.create_task(postgres.start())
    await until(lambda: f"stopping the PostgreSQL (pid {server})" in caplog.text)
    assert not starting.done()
    os.kill(server, signal.SIGCONT)
    assert await query(await starting, "select 17") == 17
    assert server not in processes_in(data_dir)


async def test_the_folder_for_the_socket_of_a_killed_broker_is_removed(
    data_dir: Path, make: Make, start_broker: StartBroker
) -> None:
    long = data_dir.parent / ("long" * 25)
    os.mkdir(long)
    data_dir = Path(shutil.move(data_dir, long))
    broker = start_broker(data_dir)
    await started(broker)
    broker.kill()
    left = os.readlink(data_dir / "socket")
    assert Path(left) in siblings(left)
    address = await make(data_dir).start()
    assert address.host != left
    assert Path(left) not in siblings(left)


def siblings(path: str) -> list[Path]:
    return list(Path(path).parent.iterdir())


async def test_another_program_under_the_server_s_old_pid_is_never_signalled(
    data_dir: Path, make: Make, query: Query, bystander: Bystander
) -> None:
    innocent = bystander("sleep", "60")
    name_in_notice(data_dir, innocent.pid)
    assert await query(await make(data_dir).start(), "select 17") == 17
    assert innocent.poll() is None


async def test_a_zombie_is_not_taken_for_a_running_server(
    data_dir: Path, make: Make, query: Query, zombie: int
) -> None:
    name_in_notice(data_dir, zombie)
    assert await query(await make(data_dir).start(), "select 17") == 17


async def test_a_notice_cut_short_by_a_crash_is_no_hindrance(
    data_dir: Path, make: Make, query: Query
) -> None:
    (data_dir / "postgres" / "postmaster.pid").write_bytes(b"")
    assert await query(await make(data_dir).start(), "select 17") == 17


def name_in_notice(data_dir: Path, pid: int) -> None:
    """Leave what a server killed under `pid` leaves."""
    cluster = data_dir / "postgres"
    notice = f"{pid}\n{cluster}\n1700000000\n5432\n{data_dir}/socket\n\n  1 1\nready   \n"
    (cluster / "postmaster.pid").write_text(notice)
    (data_dir / "socket").mkdir()
    (data_dir / "socket" / ".s.PGSQL.5432.lock").write_text(notice)


async def test_a_first_start_killed_half_way_is_begun_anew(
    place: Path,
    make: Make,
    query: Query,
    start_broker: StartBroker,
    processes_in: Processes,
    until: Until,
) -> None:
    data_dir = place / "data"
    broker = start_broker(data_dir)
    held: list[int] = []  # programs that initdb began, and that will end after it

    def hold() -> bool:
        held.extend(pid for pid in processes_in(data_dir / "postgres.new") if stops(pid))
        return bool(held)

    await until(hold)
    broker.kill()
    broker.wait()
    assert not (data_dir / "postgres").exists()
    assert is_locked(data_dir)
    starting = asyncio.create_task(make(data_dir).start())
    for pid in held:
        os.kill(pid, signal.SIGCONT)
    assert await query(await starting, "select 17") == 17
    assert not (data_dir / "postgres.new").exists()


def stops(pid: int) -> bool:
    """Stop the process, and tell whether it had not ended before."""
    try:
        os.kill(pid, signal.SIGSTOP)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (ProcessLookupError, FileNotFoundError):
        return False


def is_locked(data_dir: Path) -> bool:
    with (data_dir / "lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


async def test_a_program_that_a_killed_broker_began_is_waited_for(
    place: Path, zombie: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(Kind.SAME, os.geteuid(), os.getegid())
    inherited = os.open(place / "lock", os.O_RDWR | os.O_CREAT)
    os.write(inherited, b"%d since 2026-01-01T00:00:00+00:00\n" % zombie)
    fcntl.flock(inherited, fcntl.LOCK_EX)
    monkeypatch.setattr("broker.store.embedded.lock._LAST_BREATH_S", -1)  # for one that lives
    lock = Lock(place / "lock")
    with pytest.raises(StoreUnusable, match=f"pid {zombie}"):
        await lock.acquire(account, patience_s=0)
    acquiring = asyncio.create_task(lock.acquire(account, patience_s=15))
    await asyncio.sleep(0)
    assert not acquiring.done()
    os.close(inherited)
    await acquiring
    lock.release()


async def test_a_cancelled_first_start_leaves_nothing_running(
    place: Path, make: Make, until: Until, processes_in: Processes
) -> None:
    data_dir = place / "data"
    postgres = make(data_dir)
    starting = asyncio.create_task(postgres.start())
    await until((data_dir / "postgres.new" / "global").exists)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await until(lambda: processes_in(data_dir) == set())
    assert "syncing data to disk" not in (data_dir / "postgres.log").read_text()  # its last step
    assert (data_dir / "lock").read_bytes() == b""


@pytest.mark.parametrize("moment", ["socket", "postgres/postmaster.pid", "socket/.s.PGSQL.5432"])
async def test_a_cancelled_start_leaves_nothing_running(
    data_dir: Path, make: Make, until: Until, processes_in: Processes, moment: str, query: Query
) -> None:
    postgres = make(data_dir)
    starting = asyncio.create_task(postgres.start())
    await until((data_dir / moment).exists)
    starting.cancel()
    await asyncio.sleep(0)
    starting.cancel()  # a second one must not cut short what the first one cleans up
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert postgres.pid is None
    assert processes_in(data_dir) == set()
    assert (data_dir / "lock").read_bytes() == b""
    assert await query(await postgres.start(), "select 17") == 17


async def test_a_broker_in_the_background_can_cancel_its_start_too(
    data_dir: Path, make: Make, until: Until
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell's `&` does
    try:
        starting = asyncio.create_task(make(data_dir).start())
        await until((data_dir / "socket").exists)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    finally:
        signal.signal(signal.SIGINT, before)


async def test_a_server_that_does_not_hear_is_killed_after_the_limits(
    data_dir: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    postgres = make(data_dir, host=Host(stop_limits=StopLimits(fast_s=0.1, immediate_s=0.1)))
    await postgres.start()
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGSTOP)
    await postgres.stop()
    assert postgres.pid is None
    assert "did not stop on SIGINT" in caplog.text
    assert "did not stop on SIGQUIT" in caplog.text
    await postgres.start()


async def test_a_start_that_fails_lets_the_next_one_try(data_dir: Path, make: Make) -> None:
    settings = data_dir / "postgres" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text("no_such_setting = on\n")
    postgres = make(data_dir)
    with pytest.raises(StoreUnusable):
        await postgres.start()
    settings.write_text(good)
    await postgres.start()
