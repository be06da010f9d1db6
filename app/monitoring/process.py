"""What the broker's process uses, as far as the system tells, under the names usual for that."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app.monitoring.exposition import Kind, Metric, Sample

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def process_metrics(proc: Path = Path("/proc/self")) -> Iterator[Metric]:
    """Yield the processor time, and on Linux the memory, the files and the start."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield _metric(
        "process_cpu_seconds_total",
        "Processor time of the broker's process, without PostgreSQL's, in seconds.",
        used.ru_utime + used.ru_stime,
        Kind.COUNTER,
    )
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY:
        yield _metric("process_max_fds", "Files, and so connections, it may have open.", files)
    with suppress(OSError):
        yield _metric("process_open_fds", "Files it has open.", len([*(proc / "fd").iterdir()]))
    with suppress(OSError):
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        resident = int(fields[21]) * resource.getpagesize()
        yield _metric("process_resident_memory_bytes", "Memory it has in RAM.", resident)
        yield _metric(
            "process_start_time_seconds",
            "When it was started, in seconds since 1970.",
            booted + int(fields[19]) / _CLOCK_TICKS,
        )


def _metric(name: str, help_: str, value: float, kind: Kind = Kind.GAUGE) -> Metric:
    return Metric(name, help_, kind, [Sample(value)])
