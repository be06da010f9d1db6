"""Whether there is a terminal that a screen can be shown on."""

import os
import sys

from app.commands.ending import say
from app.exits import WRONG_USAGE


def require_terminal(twin: str) -> None:
    """Exit with 2 and a hint at the plain command `twin` where no screen can be shown."""
    if "TEXTUAL_DRIVER" in os.environ:
        return  # it is shown somewhere else, in a browser
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fault = "standard input and output are no terminal"
    elif os.environ.get("TERM", "dumb") == "dumb":
        fault = "this terminal cannot move its cursor (TERM is dumb or not set)"
    else:
        return
    say(f"a screen cannot be shown: {fault}; `{twin}` does the same as plain text")
    sys.exit(WRONG_USAGE)
