"""How a command ends: its exit code, and one sentence when it fails."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import NoReturn

from app.access import Access
from app.commands.faults import Failed, WrongUsage
from app.commands.passwords import ask
from app.exits import FAILED, INTERRUPTED, NO_BROKER, WRONG_USAGE
from app.text import harmless
from clients import BadAddress, NoBroker, PasswordNeeded, RequestRefused, SessionEnded, UnusableCA


def say(text: str) -> None:
    """Tell the person something; data goes to standard output instead."""
    print(f"pubsub: {harmless(text)}", file=sys.stderr, flush=True)


def run_signed_in(
    access: Access, work: Callable[[Access], Coroutine[None, None, None]], *, create: bool = False
) -> None:
    """Run a client command to its end, and exit with what its failure stands for."""
    run_checked(lambda: signed_in(access, work, create=create))


def signed_in(
    access: Access, work: Callable[[Access], Coroutine[None, None, None]], *, create: bool = False
) -> Access:
    """Do `work`, and return the access with which the broker let it in.

    Where the broker asks for a password and none was given, a person is asked and `work` begun
    again; with `create` it is typed twice, as it may become that of a new account. Nothing runs
    meanwhile, so that Ctrl-C ends the asking.
    """
    try:
        asyncio.run(work(access))
    except PasswordNeeded as needed:
        try:
            access = replace(access, password=ask(twice=create))
        except WrongUsage as error:
            raise PasswordNeeded(needed.reason, str(error)) from error
        asyncio.run(work(access))
    return access


def run_checked(work: Callable[[], object]) -> None:
    """Do `work`, and exit with what its failure stands for."""
    try:
        work()
    except (WrongUsage, BadAddress, UnusableCA) as error:
        _exit(WRONG_USAGE, str(error))
    except UnicodeEncodeError:
        _exit(WRONG_USAGE, "a topic, a message or an e-mail that was given is not UTF-8 text")
    except NoBroker as error:
        _exit(NO_BROKER, str(error))
    except (Failed, RequestRefused, SessionEnded) as error:
        _exit(FAILED, str(error))
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it
        # flushes standard output at exit.
        sys.stdout = None
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _exit(code: int, text: str) -> NoReturn:
    say(text)
    sys.exit(code)
