"""Asking a person for a password: on the terminal, never shown, never an argument."""

import os
import sys
from getpass import getpass

from app.commands.faults import Failed, WrongUsage

NO_TERMINAL = "there is no terminal to ask for the password on; put it into PUBSUB_PASSWORD"


def ask(what: str = "Password", *, twice: bool = False) -> str:
    """Return what is typed; with `twice`, once the same has been typed two times.

    Raises:
        WrongUsage: there is no terminal.
        Failed: the two differ, or nothing was typed.
    """
    if not (sys.stdin is not None and sys.stdin.isatty()):
        raise WrongUsage(NO_TERMINAL)
    try:
        typed = getpass(f"{what}: ")
        if twice and getpass(f"{what}, again: ") != typed:
            raise Failed("the two differ; nothing was changed")
    except EOFError:
        raise Failed("no password was typed") from None
    return typed


def new_password() -> str:
    """Return PUBSUB_NEW_PASSWORD, or what is typed twice."""
    given = os.environ.get("PUBSUB_NEW_PASSWORD")
    return given if given is not None else ask("New password", twice=True)
