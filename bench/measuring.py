"""A whole measurement: a broker, what is asked of it, and the machine beside it."""

import resource
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.interrupting import heard_again, undisturbed_end
from bench.limits import Limit, bare_store, fdatasyncs
from bench.measurement import Measurement
from bench.outcome import Outcome
from bench.progress import say
from bench.report import Report
from bench.scale import Scale
from bench.target import OwnTarget, Target
from bench.wire import Address
from bench.works import Works


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and of which broker."""

    works: Sequence[str]  # names in `bench.measurement.WORKS`
    scale: Scale
    version: int = 1  # of the protocol
    addresses: Sequence[Address] = ()  # of brokers that run already; else one is started
    pid: int | None = None  # of that broker, to see what it uses
    limits: bool = True  # measure the machine's own, too
    folder: Path | None = None  # where the temporary folder is made, to choose the disk


def measure(plan: Plan) -> Report:
    """Carry out `plan`. However this ends, nothing of it runs afterwards or is left on disk.

    Raises:
        Wrong: something was lost, doubled, reordered or damaged.
        BrokerFailed: the broker did not start or stop.
        KeyboardInterrupt: SIGINT or SIGTERM came.
    """
    allow_many_connections()
    try:
        # The stack is left last, and by then no signal is heard.
        with ExitStack() as stack, undisturbed_end():
            return _measured(plan, stack)
    finally:
        heard_again()


def _measured(plan: Plan, stack: ExitStack) -> Report:
    """Return the report; what was started for it ends with `stack`."""
    temporary = tempfile.TemporaryDirectory(prefix="pubsub-bench-", dir=plan.folder)
    folder = Path(stack.enter_context(temporary))
    target = stack.enter_context(_target(plan, folder))
    store = stack.enter_context(bare_store(folder / "bare")) if plan.limits else None
    measurement = Measurement(Works(target, plan.version), plan.scale, store)
    outcomes: list[Outcome] = []
    for work in dict.fromkeys(plan.works):
        outcomes += measurement.run(work)
    machine: list[Limit] = []
    if store is not None:
        say("the machine: commits and fdatasync")
        count, rounds = plan.scale.commits, plan.scale.rounds
        machine = [store.commits(count, rounds), fdatasyncs(folder, count, rounds)]
    return Report(plan.version, outcomes, machine)


def _target(plan: Plan, folder: Path) -> Target:
    if plan.addresses:
        return Target(plan.addresses, plan.pid)
    say("starting a broker on temporary data")
    return OwnTarget(folder, ["--data-dir", str(folder / "broker")])


def allow_many_connections() -> None:
    """Raise the limit of open files as far as it goes, for this process and its children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
