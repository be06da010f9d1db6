"""A data directory looked at from outside: what is wrong with it, and that nothing changes."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from app.doctor import data_dir as examined
from app.doctor.examination import examine
from app.doctor.finding import Finding, Verdict
from broker import Broker, Settings
from broker.store.embedded.folder import Folder


def wrong(findings: Iterable[Finding]) -> list[str]:
    found = [one for one in findings if one.verdict is Verdict.WRONG]
    assert all(one.remedy for one in found)
    return [one.text for one in found]


@pytest.fixture
def folder(data_dir: Path) -> Folder:
    """One that a broker might have left, without its database."""
    data_dir.mkdir(mode=0o700)
    (data_dir / "lock").write_text("")
    return Folder(data_dir)


def test_a_good_one_has_nothing_wrong(folder: Folder) -> None:
    assert wrong(examined.examine_data_dir(folder)) == []
    assert examined.holder(folder) is None


def test_one_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "none")
    assert wrong(examined.examine_data_dir(folder)) == []
    assert not folder.path.exists()


def test_others_who_can_get_in_are_told_with_the_mode(folder: Folder) -> None:
    folder.path.chmod(0o755)
    (text,) = wrong(examined.examine_data_dir(folder))
    assert text.endswith("its mode is 0755.")
    assert (folder.path.stat().st_mode & 0o777) == 0o755


def test_files_of_another_program_are_told(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    (text,) = wrong(examined.examine_data_dir(Folder(tmp_path)))
    assert "holiday.jpg" in text


def test_a_database_of_another_release_is_told(folder: Folder) -> None:
    folder.cluster.mkdir(mode=0o700)
    (folder.cluster / "PG_VERSION").write_text("9.6\n")
    (text,) = wrong(examined.examine_data_dir(folder))
    assert "was made by PostgreSQL 9.6" in text


@pytest.mark.parametrize(("mib", "verdict"), [(100, "WRONG"), (400, "note"), (90_000, "ok")])
def test_space_is_judged_by_what_the_broker_keeps_free(
    folder: Folder, mib: int, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examined, "free_bytes", lambda path: mib << 20)
    found = [one for one in examined.examine_data_dir(folder) if "MiB free" in one.text]
    assert [one.verdict for one in found] == [verdict]


def test_a_lock_of_a_broker_that_is_dead_is_nobodys(folder: Folder) -> None:
    folder.lock.write_text("999999999 since yesterday\n")
    assert examined.holder(folder) is None


async def test_it_can_be_looked_at_whether_a_broker_serves_it_or_not(data_dir: Path) -> None:
    async with Broker(Settings(data_dir=data_dir, port=0)):
        serving = [one async for one in examine(None, data_dir)]
    resting = [one async for one in examine(None, data_dir)]
    assert wrong([*serving, *resting]) == []
    told = " ".join(one.text for one in serving)
    assert f"The broker with pid {os.getpid()} serves this directory." in told
    assert "fsync is on, " in told
    told = " ".join(one.text for one in resting)
    assert "The database was shut down cleanly. No broker serves this directory" in told


async def test_a_broker_whose_postgres_lets_nobody_in_is_wrong(folder: Folder) -> None:
    folder.lock.write_text(f"{os.getpid()} since today\n")
    (text,) = wrong([one async for one in examine(None, folder.path)])
    assert text.startswith(f"The broker with pid {os.getpid()} serves this directory, and its")
