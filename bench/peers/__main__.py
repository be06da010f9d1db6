"""Measure this broker and others side by side: `python -m bench.peers [WORK]...`.

Standard output has the table, standard error the progress. Exit codes: 0 done, 1 something was
lost, doubled or reordered or a server failed, 2 wrong usage, 130 interrupted.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.checking import Wrong
from bench.interrupting import heard_again, undisturbed_end
from bench.machine import about
from bench.measuring import allow_many_connections
from bench.peers.servers import PEERS, Missing, Peer, running
from bench.peers.table import Row, shown
from bench.peers.works import WORKS, PeerWorks
from bench.progress import say
from bench.round import Round
from bench.scale import Scale
from bench.tables import markdown, table
from bench.target import BrokerFailed, OwnTarget
from bench.works import Works

FAILED = 1
INTERRUPTED = 130
MEMORY = "memory"
NAMES = (*WORKS, MEMORY)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    heading = about(" ".join(["python -m bench.peers", *sys.argv[1:]]))
    allow_many_connections()

    def measured() -> list[Row]:
        with tempfile.TemporaryDirectory(prefix="pubsub-peers-", dir=options.dir) as folder:
            return _measured(options, Path(folder))

    return report(measured, heading, as_page=options.markdown)


def report(
    measured: Callable[[], list[Row]],
    heading: Mapping[str, str],
    *,
    as_page: bool,
    what: str = "server",
) -> int:
    """Print the table of what is measured, or why it cannot be; return the exit code."""
    try:
        rows = measured()
    except Wrong as wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
        return FAILED
    except (BrokerFailed, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        heard_again()
    if as_page:
        print(*(f"- {name}: {value}" for name, value in heading.items()), "", sep="\n")
    print(shown(rows, markdown if as_page else table, what=what), end="")
    return 0


def _measured(options: argparse.Namespace, folder: Path) -> list[Row]:
    """One server after the other, so that none takes the others' time."""
    scale = Scale() if options.messages is None else Scale().of(options.messages)
    scale = replace(scale, rounds=options.rounds)
    works = options.works or [*NAMES]
    if options.connections is not None:
        scale = replace(scale, connections=(options.connections,))
    rows = []
    for version in (1, 2):
        with ExitStack() as stack, undisturbed_end():
            rows.append(_ours(version, works, scale, folder / f"own-{version}", stack))
    for number, peer in enumerate(PEERS):
        with ExitStack() as stack, undisturbed_end():
            rows.append(_theirs(peer, works, scale, folder / f"peer-{number}", stack))
    return rows


def _ours(version: int, works: list[str], scale: Scale, folder: Path, stack: ExitStack) -> Row:
    row = Row(f"pubsub, version {version}", "on disk")
    folder.mkdir()
    target = stack.enter_context(OwnTarget(folder, ["--data-dir", str(folder / "data")]))
    own = Works(target, version)
    rounds = {
        "publish": own.publish,
        "ingest": own.ingest,
        "fanout": own.fanout,
        "unread": own.unread,
        "latency": own.latency,
    }
    for work in (work for work in works if work != MEMORY):
        measure(row, work, rounds[work], scale)
    if MEMORY in works:
        _note_memory(row, own.idle(scale, scale.connections[0]).figures.get("bytes"))
    return row


def _theirs(peer: Peer, works: list[str], scale: Scale, folder: Path, stack: ExitStack) -> Row:
    row = Row(peer.name, peer.promise)
    try:
        target = stack.enter_context(running(peer, folder))
    except Missing as missing:
        row.note = str(missing)
        say(f"{peer.name}: left out: {missing}")
        return row
    theirs = PeerWorks(peer, target)
    if MEMORY in works:
        _note_memory(row, theirs.memory(scale))  # first, while no memory is left over
    for work in (work for work in works if work != MEMORY):
        measure(row, work, partial(WORKS[work], theirs), scale)
    return row


def measure(row: Row, work: str, one: Callable[[Scale], Round], scale: Scale) -> None:
    one(scale.warm_up())
    for _ in range(scale.rounds):
        figures = one(scale).figures
        row.note_round(work, figures)
        told = ", ".join(f"{name} {value:,.4g}" for name, value in figures.items())
        say(f"{row.name}: {work}: {told}")


def _note_memory(row: Row, each: float | None) -> None:
    if each is not None:
        row.figures[MEMORY] = each
        say(f"{row.name}: {each:,.0f} bytes an idle subscriber")


def _work(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(NAMES)}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("works", nargs="*", type=_work, metavar="WORK", help=", ".join(NAMES))
    parser.add_argument("--messages", type=int, metavar="N", help="in each round of every work")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--connections", type=int, metavar="N", help="that are idle")
    parser.add_argument("--dir", type=Path, help="where the temporary folder is made")
    parser.add_argument("--markdown", action="store_true", help="a page instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
