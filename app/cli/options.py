"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[
    bool,
    typer.Option("--json", envvar="PUBSUB_JSON", help="One JSON object a line, for programs."),
]
# Not from the environment: what is to be deleted is said each time.
Yes = Annotated[bool, typer.Option("--yes", help="Delete it without asking, in a script.")]
Ascii = Annotated[
    bool, typer.Option("--ascii", envvar="PUBSUB_ASCII", help="Draw with ASCII characters alone.")
]
Web = Annotated[
    int | None,
    typer.Option(
        "--web",
        envvar="PUBSUB_WEB",
        metavar="PORT",
        min=0,
        max=65535,
        help="Show it in a browser instead, at http://127.0.0.1:PORT (0: any free port).",
    ),
]


def what_is_typed(
    context: typer.Context, store: str | None, data_dir: Path | None
) -> tuple[str | None, Path | None]:
    """Return --store and --data-dir, of which one that is typed outdoes the other.

    The other may come from the environment or a .env file. Where both are typed, both stay.
    """
    if typed(context, "data_dir") and not typed(context, "store"):
        return None, data_dir
    if typed(context, "store") and not typed(context, "data_dir"):
        return store, None
    return store, data_dir


def typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
