"""What the broker uses: its processor time apart from its PostgreSQL's, and memory (on Linux)."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds of processor time; None where it cannot be known."""

    broker: float | None
    postgres: float | None

    def since(self, earlier: "CpuTime") -> "CpuTime":
        return CpuTime(
            _difference(self.broker, earlier.broker),
            _difference(self.postgres, earlier.postgres),
        )


def cpu_time(broker_pid: int | None) -> CpuTime:
    """Return what the broker and the servers below it have used since they began."""
    if broker_pid is None or not sys.platform.startswith("linux"):
        return CpuTime(None, None)
    stats = _all_stats()
    family = _family(stats, broker_pid)
    servers = [one for one in family if one.command == "postgres"]
    others = [one for one in family if one.command != "postgres"]
    return CpuTime(
        sum(one.own_s for one in others),
        # A postmaster has waited for those of its children that have ended.
        sum(one.own_s + one.children_s for one in servers),
    )


def memory_bytes(pid: int | None) -> int | None:
    """Return the memory that the process `pid` alone has in use; None where it is not known."""
    if pid is None or not sys.platform.startswith("linux"):
        return None
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class _Stat:
    pid: int
    parent: int
    command: str
    own_s: float
    children_s: float  # of children that have ended and were waited for


def _all_stats() -> dict[int, _Stat]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            stat = _stat(folder)
            if stat is not None:
                found[stat.pid] = stat
    return found


def _stat(folder: Path) -> _Stat | None:
    try:
        line = (folder / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has just ended
    # The command stands in parentheses and may hold anything, also a parenthesis.
    start, _, rest = line.rpartition(")")
    fields = rest.split()
    ticks = os.sysconf("SC_CLK_TCK")
    user, system, children_user, children_system = (int(field) / ticks for field in fields[11:15])
    return _Stat(
        int(folder.name),
        int(fields[1]),
        start.partition("(")[2],
        user + system,
        children_user + children_system,
    )


def _family(stats: dict[int, _Stat], pid: int) -> list[_Stat]:
    """Return the process and all below it."""
    family, todo = [], [pid]
    while todo:
        parent = todo.pop()
        if parent in stats:
            family.append(stats[parent])
        todo += [one.pid for one in stats.values() if one.parent == parent]
    return family


def _difference(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else later - earlier
