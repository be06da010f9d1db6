"""One timed run of load processes against a broker, and what it comes to."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.load import Job, LoadProcess, Run, run_together
from bench.processes import CpuTime, cpu_time
from bench.target import Target

PERCENTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "p99.9_ms": 0.999}


@dataclass(frozen=True, slots=True)
class Round:
    """What a run came to.

    `units` are its messages or deliveries. `cpu_s` has the seconds of processor time by who
    used them: broker, postgres, publishers, subscribers; None where that is not known.
    `block` is how many messages were committed together, on average, where that was
    looked up.
    """

    figures: dict[str, float]
    units: int
    elapsed_s: float
    cpu_s: dict[str, float | None]
    block: float | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """The runs of the processes by role, what their checks returned, and the broker's time."""

    runs: dict[str, list[Run]]
    checked: list[object]
    cpu: CpuTime

    def round(self, units: int, *, first: str, block: float | None = None) -> Round:
        """Return the round in units a second, timed from when the role `first` began."""
        elapsed_s = self._elapsed_s(first)
        return Round({"per_s": units / elapsed_s}, units, elapsed_s, self._cpu_s(), block)

    def waiting(self, units: int) -> Round:
        """Return the round in milliseconds from a message's publish to its delivery."""
        sent, came = self.runs["publishers"][0].moments, self.runs["subscribers"][0].moments
        waits = sorted(_waits_ms(sent, came))
        figures = {name: _percentile(waits, share) for name, share in PERCENTILES.items()}
        return Round(figures, units, self._elapsed_s("publishers"), self._cpu_s())

    def serving(self, units: int, each_bytes: float | None) -> Round:
        """Return the round in milliseconds from a publish until each of a crowd had it.

        `each_bytes` is what a member of the crowd takes in the broker, where that is known.
        """
        sent = {number: at for at, number in self.runs["publishers"][0].moments}
        came = self.runs["subscribers"][0].moments
        waits = sorted((at - sent[number]) / 1e6 for at, number in came)
        figures = {"p50_ms": _percentile(waits, 0.5), "slowest_ms": waits[-1]}
        if each_bytes is not None:
            figures["bytes"] = each_bytes
        return Round(figures, units, self._elapsed_s("publishers"), self._cpu_s())

    def _elapsed_s(self, first: str) -> float:
        started = min(run.started_ns for run in self.runs[first])
        ended = max(run.ended_ns for runs in self.runs.values() for run in runs)
        return (ended - started) / 1e9

    def _cpu_s(self) -> dict[str, float | None]:
        load = {role: sum(run.cpu_s for run in runs) for role, runs in self.runs.items()}
        return {"broker": self.cpu.broker, "postgres": self.cpu.postgres, **load}


def run_timed(
    target: Target, jobs: Sequence[Job], prepared: Callable[[], None] = lambda: None
) -> Timed:
    """Run `jobs` together, the last one beginning last, and check what they did.

    `prepared` is called when all are ready to run.

    Raises:
        Wrong: something was lost, doubled, reordered or damaged.
    """
    with ExitStack() as stack:
        processes = [stack.enter_context(LoadProcess(job)) for job in jobs]
        prepared()
        before = cpu_time(target.pid)
        ended = run_together(processes)
        cpu = cpu_time(target.pid).since(before)
        checked = [process.check() for process in processes]
    runs: dict[str, list[Run]] = {}
    for process, run in zip(processes, ended, strict=True):
        runs.setdefault(process.role, []).append(run)
    return Timed(runs, checked, cpu)


def _waits_ms(sent: list[tuple[int, int]], came: list[tuple[int, int]]) -> Iterator[float]:
    """Yield each message's time from when it was sent to when so many had come."""
    counts = [so_far for _, so_far in came]
    for sent_ns, number in sent:
        came_ns, _ = came[bisect_right(counts, number)]
        yield (came_ns - sent_ns) / 1e6


def _percentile(in_order: list[float], share: float) -> float:
    return in_order[min(int(len(in_order) * share), len(in_order) - 1)]
