"""`pubsub copy`: all that one store holds, into another."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.commands.copy_progress import Told, told
from app.commands.ending import run_checked, say
from app.commands.faults import Failed, WrongUsage
from app.exits import INTERRUPTED
from app.logs import log_to_standard_error
from broker import StoreUnusable
from broker.store.copier import Copier, Different, Refused, Summary
from broker.store.copying import Copyable, Torn
from broker.store.errors import StoreError
from broker.store.places import UnknownPlace, copyable

# How the broker calls what is --from or --to here.
BROKERS_NAMES = ("--store", "--data-dir")


@dataclass(frozen=True)
class Options:
    from_: str = field(repr=False)
    to: str = field(repr=False)


def run(options: Options) -> None:
    """Copy and compare; exit 1 where that fails, with what is copied left for the next time."""
    log_to_standard_error("warning")
    run_checked(lambda: _run(options))


def _run(options: Options) -> None:
    source, target = _store("--from", options.from_), _store("--to", options.to)
    progress = told()
    try:
        with progress:
            summary = asyncio.run(_copy(source, target, progress))
    except KeyboardInterrupt:
        say(
            f"interrupted; {_counted(progress.copied, 'message')} copied now and kept; the same"
            " command goes on there"
        )
        sys.exit(INTERRUPTED)
    say(f"{target} is the same as {source}, compared message by message: {_in_words(summary)}")


def _store(option: str, place: str) -> Copyable:
    try:
        return copyable(place)
    except UnknownPlace as error:
        raise WrongUsage(f"{option}: {error}") from error


async def _copy(source: Copyable, target: Copyable, progress: Told) -> Summary:
    try:
        async with _opened("--from", source, there=True):
            if await source.is_same(target):
                raise WrongUsage(f"--from and --to are the same place, {source}; name another one")
            async with _opened("--to", target, there=False):
                return await Copier(source, target, progress).run()
    except (Refused, Different, Torn) as error:
        raise Failed(str(error)) from error
    except StoreError as error:
        raise Failed(
            f"a store did not do what it was asked: {error}. What is copied stays; once that is"
            " mended, the same command goes on there"
        ) from error


@asynccontextmanager
async def _opened(option: str, store: Copyable, *, there: bool) -> AsyncIterator[None]:
    try:
        await store.open(there=there)
    except StoreUnusable as error:
        text = str(error)
        for name in BROKERS_NAMES:
            text = text.replace(name, option)
        raise Failed(f"{option}: {text}") from error
    try:
        yield
    finally:
        await store.close()


def _in_words(summary: Summary) -> str:
    return ", ".join(
        [
            _counted(summary.accounts, "account"),
            _counted(summary.topics, "topic"),
            _counted(summary.messages, "message"),
            _counted(summary.subscriptions, "subscription"),
            _counted(summary.producers, "producer"),
        ]
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
