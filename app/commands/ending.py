"""How a command ends: its exit code, and one sentence when it fails."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import NoReturn

from app.main import FAILED, INTERRUPTED, NO_BROKER, WRONG_USAGE
from app.text import harmless
from clients import BadAddress, NoBroker, RequestRefused, SessionEnded, UnusableCA


class WrongUsage(Exception):
    """The command was called in a way that cannot work; the text says how it can."""


class Failed(Exception):
    """The command could not do what it is for; the text says why."""


def say(text: str) -> None:
    """Tell the person something; data goes to standard output instead."""
    print(f"pubsub: {harmless(text)}", file=sys.stderr, flush=True)


def run(work: Coroutine[None, None, None]) -> None:
    """Run a client command to its end, and exit with what its failure stands for."""
    run_checked(lambda: asyncio.run(work))


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
