"""The screens, as they are typed."""

from typing import Annotated

import typer

from app.access import Access
from app.cli.access import takes_access
from app.cli.options import Ascii, Web, typed


@takes_access
def publisher(
    access: Access,
    ascii_: Ascii = False,
) -> None:
    """Open the publisher's screen: topics, a composer, and what became of each message.

    Where no broker is reached it offers to start one. The plain twin is `pubsub pub`.
    """
    from app.commands import screens
    from app.screens.app import Options

    screens.publisher(Options(access=access, ascii_only=ascii_))


@takes_access
def subscriber(
    access: Access,
    ascii_: Ascii = False,
    keep: Annotated[
        int,
        typer.Option(envvar="PUBSUB_KEEP", min=100, help="How many messages the screen holds."),
    ] = 50_000,
    web: Web = None,
) -> None:
    """Open the subscriber's screen: topics, and their messages, the unread ones first.

    Where no broker is reached it offers to start one. The plain twin is `pubsub sub`.
    """
    if web is not None:
        from app.commands import web as command

        command.serve_subscriber(access, ascii_only=ascii_, keep=keep, port=web)
        return
    from app.commands import screens
    from app.screens.app import Options

    screens.subscriber(Options(access=access, ascii_only=ascii_, keep=keep))


def demo(
    context: typer.Context,
    script: Annotated[
        bool,
        typer.Option(
            "--script",
            envvar="PUBSUB_SCRIPT",
            help="Play the steps as plain text, as where there is no screen.",
        ),
    ] = False,
    pace: Annotated[
        float,
        typer.Option(envvar="PUBSUB_PACE", min=0, help="Seconds between two steps on auto-play."),
    ] = 6.0,
    demo_store: Annotated[
        str | None,
        typer.Option(
            "--store",
            envvar="PUBSUB_DEMO_STORE",
            metavar="nats://...",
            help="Play on this NATS JetStream, or on this PostgreSQL server (postgresql://...):"
            " on streams or a database of its own, which are removed in the end. PUBSUB_STORE"
            " counts for nothing here.",
        ),
    ] = None,
    ascii_: Ascii = False,
    web: Web = None,
) -> None:
    """Show what the project is for: a real broker, real clients, real faults.

    Space plays the next step; without a terminal all of them are played as text, and the
    exit code is 0 only if every step did what it says. Uses a temporary folder, or the store
    you name, and a free port; nothing of yours is touched.
    """
    if demo_store is not None and typed(context, "demo_store"):
        from app.commands.urls import warn_of_password

        warn_of_password(demo_store, "--store", "PUBSUB_DEMO_STORE")
    if web is not None:
        from app.commands import web as web_command

        web_command.serve_demo(pace, ascii_only=ascii_, port=web, store=demo_store)
        return
    from app.commands import demo as command

    command.run(command.Options(script, pace, ascii_, demo_store))
