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
    from app.commands.urls import warn_of_password

    store, data_dir = what_is_typed(context, store, data_dir)
    if typed(context, "store") and store is not None:
        warn_of_password(store, "--store", "PUBSUB_STORE")
    command.run(store, data_dir, as_json=json)


def copy(
    context: typer.Context,
    copy_from: Annotated[
        str,
        typer.Option(
            "--from",
            envvar="PUBSUB_COPY_FROM",
            metavar="STORE",
            help="What is copied: a broker's data directory, postgresql://... or nats://...",
            show_default=False,
        ),
    ],
    copy_to: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="PUBSUB_COPY_TO",
            metavar="STORE",
            help="Where to: the same. A data directory is made where there is none.",
            show_default=False,
        ),
    ],
) -> None:
    """Copy a broker's store into another: accounts, topics, messages, cursors, producers.

    Stop the brokers on both first. Then, for example:

    pubsub copy --from ~/data --to postgresql://me@db.example.org/pubsub

    pubsub broker --store postgresql://me@db.example.org/pubsub

    Seqs, times and passwords stay, so clients go on as if nothing had
    happened. Ctrl-C breaks it off; the same command goes on where it was, and
    adds what has come since. In the end both sides are read again and
    compared; it exits 1 where they differ. Serve the copy only after 0.

    The target has to be empty, or hold an unfinished copy of the same store.
    A URL with a password in it belongs into PUBSUB_COPY_FROM or
    PUBSUB_COPY_TO: everyone on this machine sees what is typed.
    """
    from app.commands import copy as command
    from app.commands.urls import warn_of_password

    if typed(context, "copy_from"):
        warn_of_password(copy_from, "--from", "PUBSUB_COPY_FROM")
    if typed(context, "copy_to"):
        warn_of_password(copy_to, "--to", "PUBSUB_COPY_TO")
    command.run(command.Options(copy_from, copy_to))
