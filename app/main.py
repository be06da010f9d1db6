"""The `pubsub` command.

Standard output carries data, standard error the talk. `app.exits` has the exit codes.

What is typed is in `app.cli`, a function a command; what it does is in `app.commands`, which
is imported when it is called, so that `--help` and completion are quick.
"""

import os
import sys

import typer

from app import environment
from app.cli.bench import bench
from app.cli.broker import broker
from app.cli.clients import account, backlog, password, pub, sub, topics
from app.cli.operating import copy, doctor, top
from app.cli.screens import demo, publisher, subscriber
from app.exits import INTERRUPTED, WRONG_USAGE

COMMANDS = (
    *(broker, pub, sub, topics, backlog, account, password),
    *(publisher, subscriber, demo, bench, top, doctor, copy),
)

app = typer.Typer(
    name="pubsub",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=(
        "A durable publish/subscribe broker and its clients. Start with `pubsub demo`"
        " to see what it does, or `pubsub broker` to run one."
    ),
    epilog=(
        "Every option can be set in the environment or a .env file: --port is PUBSUB_PORT."
        " A password is never an option: it is asked for, or PUBSUB_PASSWORD."
    ),
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command that the arguments name."""
    _fill_standard_streams()
    try:
        environment.load()
    except environment.Unreadable as error:
        print(f"pubsub: {error}", file=sys.stderr)
        sys.exit(WRONG_USAGE)
    try:
        app(prog_name="pubsub")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _fill_standard_streams() -> None:
    """Open what whoever called us has closed, so that no socket or file takes its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


if __name__ == "__main__":
    main()
