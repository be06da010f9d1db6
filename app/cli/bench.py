"""`pubsub bench` as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Json


def bench(
    works: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORK]...",
            help="publish, library, fanout, ingest, unread, latency, idle; or all, as without it.",
            show_default=False,
        ),
    ] = None,
    bench_connect: Annotated[
        str | None,
        typer.Option(
            "--connect",
            envvar="PUBSUB_BENCH_CONNECT",
            metavar="HOST:PORT[,...]",
            help="A broker that runs already, instead of one on temporary data; or several on one"
            " store, over which the load is spread.",
        ),
    ] = None,
    bench_pid: Annotated[
        int | None,
        typer.Option(
            "--pid",
            envvar="PUBSUB_BENCH_PID",
            min=1,
            help="The process of the broker of --connect, to see what it uses.",
        ),
    ] = None,
    bench_version: Annotated[
        int,
        typer.Option("--version", envvar="PUBSUB_BENCH_VERSION", help="The protocol's: 1 or 2."),
    ] = 1,
    bench_messages: Annotated[
        int | None,
        typer.Option(
            "--messages",
            envvar="PUBSUB_BENCH_MESSAGES",
            min=1,
            help="In each round of every work. [default: enough for some seconds]",
            show_default=False,
        ),
    ] = None,
    bench_rounds: Annotated[
        int,
        typer.Option(
            "--rounds", envvar="PUBSUB_BENCH_ROUNDS", min=1, help="Of each work, after a warm-up."
        ),
    ] = 3,
    bench_subscribers: Annotated[
        int,
        typer.Option("--subscribers", envvar="PUBSUB_BENCH_SUBSCRIBERS", min=1, help="Of fanout."),
    ] = 100,
    bench_publishers: Annotated[
        int,
        typer.Option("--publishers", envvar="PUBSUB_BENCH_PUBLISHERS", min=1, help="Of ingest."),
    ] = 50,
    bench_connections: Annotated[
        list[int] | None,
        typer.Option(
            "--connections",
            envvar="PUBSUB_BENCH_CONNECTIONS",
            min=1,
            help="Of idle; may be given more than once. [default: 2000 and 10000]",
            show_default=False,
        ),
    ] = None,
    bench_limits: Annotated[
        bool,
        typer.Option(
            "--limits/--no-limits",
            envvar="PUBSUB_BENCH_LIMITS",
            help="Measure what the machine itself can do, too.",
        ),
    ] = True,
    bench_dir: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            envvar="PUBSUB_BENCH_DIR",
            help="Where the temporary folder is made, to choose the disk.",
        ),
    ] = None,
    bench_markdown: Annotated[
        bool,
        typer.Option("--markdown", envvar="PUBSUB_BENCH_MARKDOWN", help="A page instead."),
    ] = False,
    json: Json = False,
) -> None:
    """Measure a broker, and check that nothing is lost, doubled or reordered.

    Beside each figure stands what the machine itself can do, measured in the same run. Exits 1
    where a message was lost, doubled, reordered or damaged.
    """
    from app.commands import bench as command

    command.run(
        command.Options(
            works=works or [],
            connect=bench_connect,
            pid=bench_pid,
            version=bench_version,
            messages=bench_messages,
            rounds=bench_rounds,
            subscribers=bench_subscribers,
            publishers=bench_publishers,
            connections=bench_connections or [],
            limits=bench_limits,
            folder=bench_dir,
            json=json,
            markdown=bench_markdown,
        )
    )
