"""The works on other servers: the same figures and checks, and a hint where one is missing."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.checking import Wrong
from bench.peers.nats import Nats
from bench.peers.redis import Redis
from bench.peers.servers import PEERS, Missing, Peer, running
from bench.peers.table import Row, shown
from bench.peers.works import WORKS, PeerWorks
from bench.scale import Scale
from bench.tables import table

SMALL = replace(Scale().of(40), rounds=1, subscribers=3, publishers=4, connections=(5,))
ALWAYS_THERE = [PEERS[0], PEERS[2]]  # one of each kind, in a setting that every release has


@pytest.mark.parametrize("peer", ALWAYS_THERE, ids=lambda peer: str(peer.package))
def test_every_work_goes_through(peer: Peer, tmp_path: Path) -> None:
    if shutil.which(peer.program) is None:
        pytest.skip(f"{peer.program} is not installed")
    with running(peer, tmp_path / "peer") as target:
        works = PeerWorks(peer, target)
        for work in WORKS.values():
            assert all(figure > 0 for figure in work(works, SMALL).figures.values())
        assert works.memory(SMALL) is not None


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: str(peer.name))
def test_what_is_missing_comes_with_a_hint(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match=f"apt-get install {peer.package}"), running(peer, tmp_path):
        pass


def test_an_old_nats_cannot_sync_always(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho nats-server: v2.9.10\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(Missing, match=r"came with NATS 2\.10"), running(PEERS[3], tmp_path / "x"):
        pass


def test_what_redis_did_not_store_is_told() -> None:
    stored = b"$3\r\n7-0\r\n$3\r\n7-1\r\n"
    Redis().check(stored, 2)
    for answers in (stored[:9], b"$3\r\n7-1\r\n$3\r\n7-0\r\n", stored[:9] + b"-ERR no\r\n"):
        with pytest.raises(Wrong):
            Redis().check(answers, 2)


def test_what_nats_did_not_store_is_told() -> None:
    first, second = (b'MSG a.0 1 23\r\n{"stream":"S","seq":%d}\r\n' % seq for seq in (1, 2))
    Nats().check(first + second, 2)
    for answers in (first, second + first, first + b'{"error":{"code":503},"seq":0}\r\n'):
        with pytest.raises(Wrong):
            Nats().check(answers, 2)


def test_the_table_has_what_was_measured_and_says_what_was_not() -> None:
    ours, theirs, absent = Row("ours", "on disk"), Row("theirs", "gone"), Row("absent", "?")
    ours.note_round("publish", {"per_s": 1_000.0})
    ours.note_round("publish", {"per_s": 900.0})
    theirs.note_round("latency", {"p50_ms": 0.5, "p99_ms": 2.0})
    theirs.note_round("latency", {"p50_ms": 0.7, "p99_ms": 1.0})
    absent.note = "it is not installed"
    lines = shown([ours, theirs, absent], table).splitlines()
    assert lines[0].split("  ")[-1] == "p99, ms"
    assert lines[1].split() == ["ours", "on", "disk", "1,000", "-", "-"]
    assert lines[2].split() == ["theirs", "gone", "-", "0.50", "1.00"]
    assert lines[-1] == "absent is left out: it is not installed"
