"""`pubsub demo`: the presenter's screen, or the same steps as plain text."""

import os
import sys
from dataclasses import dataclass, field

from app.commands.ending import run_checked


@dataclass(frozen=True)
class Options:
    script: bool
    pace_s: float
    ascii_only: bool
    store: str | None = field(default=None, repr=False)


def run(options: Options) -> None:
    """Play the demonstration; exit 2 where its store is named in a way that cannot be."""
    run_checked(lambda: _run(options))


def _run(options: Options) -> None:
    from app.demo.choice import stores_at

    stores = stores_at(options.store)
    if options.script or not _screen_can_be_shown():
        from app.demo import script

        script.run(stores)
        return
    from app.demo import app
    from app.logs import log_to_file
    from app.screens.symbols import terminal_is_ascii

    log_to_file()
    ascii_only = options.ascii_only or terminal_is_ascii()
    app.run(app.Options(pace_s=options.pace_s, ascii_only=ascii_only), stores)


def _screen_can_be_shown() -> bool:
    if "TEXTUAL_DRIVER" in os.environ:  # it is shown somewhere else, in a browser
        return True
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return terminal and os.environ.get("TERM", "dumb") != "dumb"
