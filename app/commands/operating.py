"""The options of the commands for whoever runs a broker."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(top)


def top(
    http: Annotated[
        int,
        typer.Option(
            envvar="PUBSUB_HTTP",
            metavar="PORT",
            min=1,
            max=65535,
            help="The port that the broker was given with --http.",
        ),
    ] = 3001,
    once: Annotated[
        bool,
        typer.Option(
            "--once", envvar="PUBSUB_ONCE", help="Print it once, after a second, and exit."
        ),
    ] = False,
    every: Annotated[
        float, typer.Option(envvar="PUBSUB_EVERY", min=0.2, help="Seconds between two looks.")
    ] = 1.0,
) -> None:
    """Watch a broker on this machine: rates, what is unread and for how long, who is slow.

    The broker has to run with --http: `pubsub broker --http 3001`, then `pubsub top`.

    For one on another machine first `ssh -L 3001:127.0.0.1:3001 HOST`. Ctrl-C ends it.
    """
    from app.commands import top as command

    command.run(http, once=once, every_s=every)
