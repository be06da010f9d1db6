"""How a client connects."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypedDict, TypeVar

from clients.backoff import Backoff
from clients.states import State

T = TypeVar("T")

StateWatcher = Callable[[State], None]


class Options(TypedDict, total=False):
    """What every client takes, by keyword.

    `create` makes the account if there is none. `timeout_s` (10) bounds one try to connect,
    and one to sign in. A broker that is silent for two `heartbeat_s` (10) is given up.
    `on_state` is called at every change of `state`, inside the event loop; what it raises is
    given to the loop's exception handler and changes nothing. `backoff` says how long to wait
    between tries.

    `tls` connects with TLS and takes a broker whose certificate is for the name in its address
    and vouched for by somebody the system trusts, or, where `ca` is given, somebody in that
    file of PEM certificates. `ca` means TLS.

    `password` is the account's. With `create=True` it becomes that of an account that is made.
    With `create="new"` the account is made, and one that is there is not signed in to.
    """

    create: bool | Literal["new"]
    on_state: StateWatcher | None
    backoff: Backoff
    timeout_s: float
    heartbeat_s: float
    tls: bool
    ca: Path | None
    password: str | None


def call(name: str, told: Callable[[T], None], what: T) -> None:
    """Call a program's function; what that raises is the event loop's and changes nothing."""
    try:
        told(what)
    except Exception as error:
        context = {"message": f"{name} raised", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


def check(options: Options) -> None:
    """Tell of a misspelt option, which would be ignored otherwise.

    Raises:
        TypeError: there is no such option.
    """
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
