"""Measure a broker: `python -m bench [publish] [library] [fanout] [ingest] [unread] [latency]`.

Standard output has the report, standard error the progress. Exit codes: 0 done, 1 something
was lost, doubled or reordered, or the broker failed, 2 wrong usage, 130 interrupted.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.checking import Wrong
from bench.limits import bare_store, fdatasyncs
from bench.measurement import WORKS, Measurement
from bench.report import Report
from bench.scale import Scale
from bench.target import BrokerFailed, OwnTarget, Target
from bench.wire import Address
from bench.works import Works

FAILED = 1
INTERRUPTED = 130


def main() -> int:
    options = _parser().parse_args()
    scale = _scale(options)
    try:
        report = _measure(options, scale)
    except Wrong as wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
        return FAILED
    except (BrokerFailed, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    print(report.as_json() if options.json else report.as_text())
    return 0


def _measure(options: argparse.Namespace, scale: Scale) -> Report:
    outcomes, machine = [], []
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir))
        folder = Path(name)
        target = stack.enter_context(_target(options, folder))
        store = stack.enter_context(bare_store(folder / "bare")) if options.limits else None
        measurement = Measurement(Works(target, options.version), scale, store)
        for work in dict.fromkeys(options.works or WORKS):
            outcomes += measurement.run(work)
        if store is not None:
            machine = [
                store.commits(scale.commits, scale.rounds),
                fdatasyncs(folder, scale.commits, scale.rounds),
            ]
    return Report(options.version, outcomes, machine)


def _target(options: argparse.Namespace, folder: Path) -> Target:
    if options.connect is not None:
        return Target(options.connect, options.pid)
    return OwnTarget(folder / "broker")


def _scale(options: argparse.Namespace) -> Scale:
    scale = Scale() if options.messages is None else Scale().of(options.messages)
    return replace(
        scale,
        rounds=options.rounds,
        subscribers=options.subscribers,
        publishers=options.publishers,
        reading_processes=options.reading_processes,
    )


def _parser() -> argparse.ArgumentParser:
    usual = Scale()
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure a broker.")
    parser.add_argument(
        "works",
        nargs="*",
        type=_work,
        metavar="WORK",
        help=f"{', '.join(WORKS)}; all by default",
    )
    parser.add_argument(
        "--connect",
        type=_address,
        metavar="HOST:PORT",
        help="a broker that runs already, instead of one of our own",
    )
    parser.add_argument("--pid", type=int, help="of the broker of --connect, to see what it uses")
    parser.add_argument("--version", type=int, choices=(1, 2), default=1, help="of the protocol")
    parser.add_argument(
        "--messages",
        type=_positive,
        metavar="N",
        help="in each round of every work (each has its own number by default)",
    )
    parser.add_argument("--rounds", type=_positive, default=usual.rounds, metavar="N")
    parser.add_argument(
        "--subscribers",
        type=_positive,
        default=usual.subscribers,
        metavar="N",
        help="of fanout (%(default)s)",
    )
    parser.add_argument(
        "--publishers",
        type=_positive,
        default=usual.publishers,
        metavar="N",
        help="of ingest (%(default)s)",
    )
    parser.add_argument(
        "--reading-processes",
        type=_positive,
        default=usual.reading_processes,
        metavar="N",
        help="that the subscribers of fanout share (%(default)s)",
    )
    parser.add_argument(
        "--no-limits",
        dest="limits",
        action="store_false",
        help="leave out what the machine itself can do",
    )
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="where the temporary folder is made, to choose the disk",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def _work(text: str) -> str:
    if text not in WORKS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(WORKS)}")
    return text


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
