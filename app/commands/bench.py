"""`pubsub bench`: measure a broker, beside what the machine itself can do."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.commands.ending import run_checked
from app.commands.faults import Failed, WrongUsage
from app.commands.output import write
from bench.checking import Wrong
from bench.machine import about
from bench.measurement import WORKS
from bench.measuring import Plan, measure
from bench.report import Report
from bench.scale import Scale
from bench.target import BrokerFailed
from clients.address import addresses

ALL = "all"
VERSIONS = (1, 2)


@dataclass(frozen=True)
class Options:
    works: Sequence[str]
    connect: str | None
    pid: int | None
    version: int
    messages: int | None
    rounds: int
    subscribers: int
    publishers: int
    connections: Sequence[int]
    limits: bool
    folder: Path | None
    json: bool
    markdown: bool


def run(options: Options) -> None:
    """Measure and print the report; exit 1 where a message was lost, doubled or reordered."""
    run_checked(lambda: _run(options))


def _run(options: Options) -> None:
    plan = _plan(options)
    heading = about(" ".join(["pubsub", *sys.argv[1:]]))
    try:
        report = replace(measure(plan), about=heading)
    except Wrong as wrong:
        raise Failed(f"WRONG: {wrong}") from wrong
    except (BrokerFailed, OSError) as error:
        raise Failed(str(error)) from error
    write(_shown(report, options).encode())


def _shown(report: Report, options: Options) -> str:
    if options.json:
        return report.as_json() + "\n"
    if options.markdown:
        return report.as_markdown()
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return report.as_text(ascii_only=not encoding.lower().startswith("utf"))


def _plan(options: Options) -> Plan:
    """Return what is to be measured.

    Raises:
        WrongUsage: that cannot be.
    """
    unknown = [work for work in options.works if work not in (*WORKS, ALL)]
    if unknown:
        raise WrongUsage(f"{unknown[0]!r} is none of {', '.join(WORKS)} and {ALL}")
    if options.version not in VERSIONS:
        raise WrongUsage("--version takes 1 or 2")
    given = [] if options.connect is None else addresses(options.connect)
    return Plan(
        works=[*WORKS] if not options.works or ALL in options.works else options.works,
        scale=_scale(options),
        version=options.version,
        addresses=[(one.host, one.port) for one in given],
        pid=options.pid,
        limits=options.limits,
        folder=options.folder,
    )


def _scale(options: Options) -> Scale:
    scale = Scale() if options.messages is None else Scale().of(options.messages)
    return replace(
        scale,
        rounds=options.rounds,
        subscribers=options.subscribers,
        publishers=options.publishers,
        connections=tuple(options.connections) or scale.connections,
    )
