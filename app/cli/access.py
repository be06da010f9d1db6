"""The options that every client command has: where the broker is, and who one is."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from app.access import Access

P = ParamSpec("P")

Connect = Annotated[
    str,
    typer.Option(
        envvar="PUBSUB_CONNECT",
        metavar="HOST:PORT,...",
        help="Where the broker is; with several, the first that answers.",
    ),
]
Email = Annotated[
    str | None,
    typer.Option(envvar="PUBSUB_EMAIL", metavar="E-MAIL", help="The account to sign in with."),
]
Tls = Annotated[
    bool,
    typer.Option("--tls", envvar="PUBSUB_TLS", help="Connect with TLS, and check who answers."),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        envvar="PUBSUB_CA",
        metavar="FILE",
        help="Who may vouch for the broker, as PEM certificates; means --tls.",
    ),
]


def _access(
    connect: Connect = "127.0.0.1:3000", email: Email = None, tls: Tls = False, ca: Ca = None
) -> Access:
    return Access(connect, email, tls, ca, os.environ.get("PUBSUB_PASSWORD"))


_OPTIONS = inspect.signature(_access).parameters


def takes_access(command: Callable[Concatenate[Access, P], None]) -> Callable[..., None]:
    """Return `command` with these options in the place of its first parameter."""
    _, *own = inspect.signature(command).parameters.values()
    taken = [one.replace(kind=one.KEYWORD_ONLY) for one in (*_OPTIONS.values(), *own)]

    call: Callable[..., None] = command

    @wraps(command)
    def typed(**given: Any) -> None:
        access = _access(**{name: given.pop(name) for name in _OPTIONS})
        call(access, **given)

    # What Typer reads.
    typed.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]  # not in its type
    typed.__annotations__ = {one.name: one.annotation for one in taken}
    return typed
