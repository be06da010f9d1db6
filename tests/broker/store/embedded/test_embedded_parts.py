"""The smaller parts of the embedded PostgreSQL, each by itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from broker.store.embedded import EmbeddedPostgres, processes, sockets
from broker.store.embedded.account import Account, Kind
from broker.store.embedded.child import Child
from broker.store.embedded.serverlog import ServerLog
from broker.store.embedded.sockets import SocketFolder
from broker.store.errors import StoreUnusable

Make = Callable[..., EmbeddedPostgres]
Bystander = Callable[..., "subprocess.Popen[bytes]"]
Look = Callable[[int], str]

LOOKS = [
    pytest.param(
        processes._command_from_proc,
        marks=pytest.mark.skipif(sys.platform != "linux", reason="has no /proc"),
    ),
    processes._command_from_ps,
]
SAME = Account(Kind.SAME, os.geteuid(), os.getegid())


def write(log: ServerLog, text: str) -> None:
    with log.opened(SAME) as file:
        os.write(file, text.encode())


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("LOG:  starting\n1 FATAL:  no room\nLOG:  shut down\n", "no room"),
        ("x ERROR:  minor\nx PANIC:  no disk\nx FATAL:  later\n", "no disk"),
        ("ok\ninitdb: error: no folder\ninitdb: removing\n", "no folder"),
        ("Killed\n\n", "Killed"),
        ("", "it said nothing"),
    ],
)
def test_the_most_telling_line_of_the_last_run_is_quoted(
    tmp_path: Path, said: str, quoted: str
) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    write(log, "PANIC:  of an earlier run\n")
    write(log, said)
    assert log.last_words() == quoted


def test_a_large_log_is_kept_once_and_a_new_one_begun(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    for run in range(3):
        write(log, f"run {run} " + "." * 9 * 1024 * 1024)
    assert (tmp_path / "postgres.log").read_text().startswith("run 2")
    assert (tmp_path / "postgres.log.1").read_text().startswith("run 1")
    assert len(list(tmp_path.iterdir())) == 2
    assert log.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("look", LOOKS)
async def test_a_zombie_does_not_run(
    look: Look,
    bystander: Bystander,
    zombie: int,
    until: Callable[[Callable[[], bool]], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "command", look)
    running = bystander("sleep", "60")
    await until(lambda: processes.command(running.pid) == "sleep 60")  # no name before exec
    assert processes.lives(running.pid)
    assert not processes.lives(zombie)
    assert not processes.lives(2**22 + 1)  # above every pid


@pytest.mark.parametrize("look", LOOKS)
async def test_only_the_server_of_the_cluster_is_its_server(
    data_dir: Path, make: Make, look: Look, bystander: Bystander, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "command", look)
    postgres = make(data_dir)
    await postgres.start()
    assert postgres.pid is not None
    assert processes.is_postmaster(postgres.pid, data_dir / "postgres")
    assert not processes.is_postmaster(postgres.pid, data_dir)
    sleeper = bystander("sleep", "60", cwd=data_dir / "postgres")
    assert not processes.is_postmaster(sleeper.pid, data_dir / "postgres")


def test_without_proc_the_server_is_known_by_how_it_was_called(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    called = f"/a folder/bin/postgres -D {place} -c fsync=on"
    monkeypatch.setattr(processes, "command", lambda _: called)
    assert processes.is_postmaster(2**30, place)
    assert not processes.is_postmaster(2**30, place.parent)


async def test_a_child_gets_our_environment_without_what_is_for_other_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGOPTIONS": "-c fsync=off", "LC_ALL": "de_DE", "TZ": "UTC"}.items():
        monkeypatch.setenv(name, value)
    log = ServerLog(tmp_path / "log")
    with log.opened(SAME) as output:
        child = Child(
            Path("/usr/bin/env"),
            [],
            account=SAME,
            folder=tmp_path,
            output=output,
            death_signal=signal.SIGKILL,
        )
    await child.wait()
    assert child.succeeded
    assert log.said("TZ=UTC")
    assert log.said("LC_ALL=C")
    assert not log.said("LC_ALL=de_DE")
    assert not log.said("PGOPTIONS")


def test_a_folder_that_somebody_put_where_the_socket_was_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    theirs = tmp_path / "mine-alone"
    theirs.mkdir()
    (tmp_path / "socket").symlink_to(theirs)
    SocketFolder(tmp_path / "socket").make(SAME)
    assert theirs.is_dir()
    assert (tmp_path / "socket").is_dir()
    assert not (tmp_path / "socket").is_symlink()


def test_with_no_path_short_enough_a_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_LONGEST_PATH", 20)
    with pytest.raises(StoreUnusable, match=r"too long for a socket.*--data-dir"):
        SocketFolder(tmp_path / "socket").make(SAME)
