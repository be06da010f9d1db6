"""Options that several commands have."""

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
