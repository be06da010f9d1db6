"""`pubsub doctor`: sentences about a broker's surroundings, and remedies."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

import msgspec

from app.commands.ending import run_checked, say
from app.commands.faults import WrongUsage
from app.commands.output import write
from app.doctor.examination import examine
from app.doctor.finding import Finding, Verdict
from app.exits import FAILED
from app.places import default_data_dir
from app.text import harmless
from broker.store.jetstream.address import SCHEMES as NATS_SCHEMES

MARGIN = 7  # before a sentence: the verdict


def run(store: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Print what is found; exit 1 where anything is wrong."""
    run_checked(lambda: _run(store, data_dir, as_json))


def _run(store: str | None, data_dir: Path | None, as_json: bool) -> None:
    if store is not None and data_dir is not None:
        raise WrongUsage("--store and --data-dir exclude each other; give one of them")
    if store is not None and store.startswith(NATS_SCHEMES):
        raise WrongUsage(
            "the doctor examines PostgreSQL; of NATS the broker says in its log what it finds"
        )
    if store is not None and not store.startswith(("postgresql://", "postgres://")):
        raise WrongUsage("--store takes a URL that begins with postgresql://")
    wrong = asyncio.run(_tell(store, data_dir or default_data_dir(), as_json))
    if wrong:
        say(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong; the remedies are above")
        sys.exit(FAILED)
    say("nothing is wrong")


async def _tell(store: str | None, data_dir: Path, as_json: bool) -> int:
    """Print each finding when it is made; return how many things are wrong."""
    wrong = 0
    async with aclosing(examine(store, data_dir)) as findings:
        async for finding in findings:
            write(_as_json(finding) if as_json else _as_text(finding))
            wrong += finding.verdict is Verdict.WRONG
    return wrong


def _as_text(finding: Finding) -> bytes:
    text = f"{finding.verdict:<{MARGIN}}{harmless(finding.text)}\n"
    if finding.remedy:
        text += f"{'':<{MARGIN}}Remedy: {harmless(finding.remedy)}\n"
    return text.encode(errors="backslashreplace")


def _as_json(finding: Finding) -> bytes:
    return msgspec.json.encode(finding) + b"\n"
