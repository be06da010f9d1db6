"""`--web PORT`: the same command in a browser on this machine."""

import asyncio
import importlib.util
import logging
import os
import sys

from app.access import Access
from app.commands.ending import run_checked
from app.commands.faults import Failed
from clients.address import addresses

OWN_MAIN = [sys.executable, "-P", "-m", "app.main"]


def serve_demo(pace_s: float, *, ascii_only: bool, port: int, store: str | None) -> None:
    """Serve the demonstration; each page has a place of its own in the store."""
    from app.demo.broker_process import STORE
    from app.demo.choice import stores_at

    run_checked(lambda: stores_at(store))
    if store is not None:
        os.environ[STORE] = store  # in the arguments of a page everyone could see a password
    arguments = ["demo", f"--pace={pace_s}", *["--ascii"][: int(ascii_only)]]
    serve(arguments, title="pubsub demo", port=port)


def serve_subscriber(access: Access, *, ascii_only: bool, keep: int, port: int) -> None:
    """Serve the subscriber's screen. A password is asked for on the page."""
    run_checked(lambda: addresses(access.connect))
    arguments = ["subscriber", f"--connect={access.connect}", f"--keep={keep}"]
    arguments += ["--ascii"] if ascii_only else []
    arguments += ["--tls"] if access.tls else []
    arguments += [] if access.ca is None else [f"--ca={access.ca.absolute()}"]
    arguments += [] if access.email is None else [f"--email={access.email}"]
    serve(arguments, title="pubsub subscriber", port=port)


def serve(arguments: list[str], *, title: str, port: int) -> None:
    """Serve `pubsub` with `arguments` on 127.0.0.1 until Ctrl-C, one process per open page."""
    run_checked(lambda: asyncio.run(_serve(arguments, title, port)))


async def _serve(arguments: list[str], title: str, port: int) -> None:
    if importlib.util.find_spec("textual_serve") is None:
        raise Failed(
            "--web needs a package that is not installed; `pip install 'pubsub-suite[web]'`"
            " brings it"
        )
    from app.processes import own_environment
    from app.web.server import HOST, ScreenServer

    logging.getLogger("textual-serve").addHandler(logging.NullHandler())
    os.environ |= own_environment()
    os.environ.pop("PUBSUB_WEB", None)  # the command of a page shows a screen
    os.environ["PYTHONIOENCODING"] = "utf-8"  # a browser has every character

    def tell(port: int) -> None:
        print(f"open http://{HOST}:{port}/ in a browser; Ctrl-C ends it", flush=True)

    try:
        await ScreenServer([*OWN_MAIN, *arguments], title).serve_on(port, tell)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Failed(f"{HOST}:{port} cannot be listened on: {reason}; choose another") from error
