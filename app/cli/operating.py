"""The commands for whoever runs a broker, as they are typed."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Json, typed, what_is_typed


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


def doctor(
    context: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="PUBSUB_DATA_DIR",
            help="The data directory to look at. [default: your data folder]",
            show_default=False,
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            envvar="PUBSUB_STORE",
            metavar="postgresql://...",
            help="The PostgreSQL database to look at instead. With a password in it, put it into"
            " PUBSUB_STORE: everyone on this machine sees what is typed.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Look at a broker's surroundings: is what it acknowledges safe, and will it stay so?

    Durability settings, disk, permissions, releases, long transactions: a sentence each, and a
    remedy where something is wrong. Changes nothing; works whether a broker runs or not, with
    the options that the broker has. Exits 1 if anything is wrong.
    """
    from app.commands import doctor as command
    from app.commands.broker import warn_of_password

    store, data_dir = what_is_typed(context, store, data_dir)
    if typed(context, "store") and store is not None:
        warn_of_password(store)
    command.run(store, data_dir, as_json=json)
