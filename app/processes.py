"""Starting processes of our own program."""

import os
import sys
from pathlib import Path

import app


def own_python(module: str) -> list[str]:
    """Return the command that runs a module of ours, whatever the working directory holds."""
    return [sys.executable, "-P", "-m", module]


def own_environment() -> dict[str, str]:
    """Return our environment, with this very package to be found and no settings of the user's."""
    root = str(Path(app.__file__).parents[1])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PUBSUB_")}
    paths = [root, *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}
