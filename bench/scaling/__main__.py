"""Measure set-ups of several brokers: `python -m bench.scaling [--only TEXT] [--markdown]`.

Publishers and subscribers are spread over the brokers. Standard output has the table, standard
error the progress. Exit codes as those of `python -m bench.peers`.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.interrupting import undisturbed_end
from bench.machine import about
from bench.measuring import allow_many_connections
from bench.peers.__main__ import measure, report
from bench.peers.servers import Missing
from bench.peers.table import Row
from bench.progress import say
from bench.scale import Scale
from bench.scaling.setups import SETUPS, Setup
from bench.works import Works

READERS = 2  # processes of the subscribers of fanout, so that brokers share them


def main() -> int:
    options = _parser().parse_args()
    heading = about(" ".join(["python -m bench.scaling", *sys.argv[1:]]))
    allow_many_connections()
    scale = Scale() if options.messages is None else Scale().of(options.messages)
    scale = replace(scale, rounds=options.rounds)

    def measured() -> list[Row]:
        chosen = [setup for setup in SETUPS if options.only in setup.name]
        return [_measured(setup, scale, options.version) for setup in chosen]

    return report(measured, heading, as_page=options.markdown, what="set-up")


def _measured(setup: Setup, scale: Scale, version: int) -> Row:
    row = Row(setup.name, setup.promise)
    with ExitStack() as stack, undisturbed_end():
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pubsub-scaling-")))
        folder.chmod(0o755)  # PostgreSQL may have to run as somebody else
        try:
            target = setup.start(folder, stack)
        except Missing as missing:
            row.note = str(missing)
            say(f"{setup.name}: left out: {missing}")
            return row
        works = Works(target, version)
        spread = replace(scale, reading_processes=max(READERS, len(target.addresses)))
        measure(row, "ingest", works.ingest, scale)
        measure(row, "publish", works.publish, scale)
        measure(row, "fanout", works.fanout, spread)
        measure(row, "latency", works.latency, scale)
    return row


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="set-ups whose name has it")
    parser.add_argument("--version", type=int, default=1, choices=[1, 2])
    parser.add_argument("--messages", type=int, metavar="N", help="in each round of every work")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--markdown", action="store_true", help="a page instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
