"""`pubsub broker` as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Ascii, typed, what_is_typed


def broker(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(envvar="PUBSUB_HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="PUBSUB_PORT", min=0, max=65535, help="The port; 0 takes any free one."
        ),
    ] = 3000,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="PUBSUB_DATA_DIR",
            help="Where the broker keeps its own PostgreSQL. [default: your data folder]",
            show_default=False,
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            envvar="PUBSUB_STORE",
            metavar="postgresql://...",
            help="Keep everything in this PostgreSQL database instead, which any number of brokers"
            " may share. With a password in it, put"
            " it into PUBSUB_STORE: everyone on this machine sees what is typed.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="PUBSUB_TLS_CERT",
            metavar="FILE",
            help="Take TLS alone, with this certificate and those that vouch for it, as PEM.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            envvar="PUBSUB_TLS_KEY", metavar="FILE", help="The certificate's private key, as PEM."
        ),
    ] = None,
    allow_unsafe_store: Annotated[
        bool,
        typer.Option(
            envvar="PUBSUB_ALLOW_UNSAFE_STORE",
            help="Take a server that can lose acknowledged messages in a power cut.",
        ),
    ] = False,
    auth: Annotated[
        str,
        typer.Option(
            envvar="PUBSUB_AUTH",
            metavar="open|password",
            help="Who may sign in: whoever names an account without a password, or only who"
            " knows the password that every account then needs.",
        ),
    ] = "open",
    insecure: Annotated[
        bool,
        typer.Option(
            envvar="PUBSUB_INSECURE",
            help="Listen beyond this machine without TLS and passwords, though anyone there can"
            " then read along and sign in as anyone.",
        ),
    ] = False,
    max_connections: Annotated[
        int,
        typer.Option(
            envvar="PUBSUB_MAX_CONNECTIONS", min=1, help="Connections that are served at a time."
        ),
    ] = 16_384,
    max_connections_per_address: Annotated[
        int | None,
        typer.Option(
            envvar="PUBSUB_MAX_CONNECTIONS_PER_ADDRESS",
            min=1,
            help="Of them from one address (IPv6: from one /64). [default: 1000; on loopback all]",
            show_default=False,
        ),
    ] = None,
    sign_in_timeout: Annotated[
        float,
        typer.Option(
            envvar="PUBSUB_SIGN_IN_TIMEOUT",
            min=0.1,
            help="Seconds that a connection has to sign in.",
        ),
    ] = 60.0,
    dead_peer_timeout: Annotated[
        int,
        typer.Option(
            envvar="PUBSUB_DEAD_PEER_TIMEOUT",
            min=2,
            max=100_000,
            help="Seconds after which a connection ends whose other machine is silent.",
        ),
    ] = 120,
    max_unfinished_kb: Annotated[
        int,
        typer.Option(
            envvar="PUBSUB_MAX_UNFINISHED_KB",
            min=1,
            help="KiB of unanswered publishes after which a connection is not read from.",
        ),
    ] = 4096,
    cache_mb: Annotated[
        int,
        typer.Option(
            envvar="PUBSUB_CACHE_MB", min=1, help="MiB of recent messages kept in memory."
        ),
    ] = 128,
    max_message_kb: Annotated[
        int,
        typer.Option(
            envvar="PUBSUB_MAX_MESSAGE_KB",
            min=1,
            max=64 * 1024,
            help="KiB that one message may take, written as JSON.",
        ),
    ] = 1024,
    store_wait: Annotated[
        float,
        typer.Option(
            envvar="PUBSUB_STORE_WAIT",
            min=0,
            help="Seconds that a publish waits for PostgreSQL to come back.",
        ),
    ] = 30.0,
    retain_for: Annotated[
        str | None,
        typer.Option(
            envvar="PUBSUB_RETAIN_FOR",
            metavar="AGE",
            help="Keep messages so long, as in 90s, 30m, 12h or 7d; without it for ever.",
        ),
    ] = None,
    retain_bytes: Annotated[
        str | None,
        typer.Option(
            envvar="PUBSUB_RETAIN_BYTES",
            metavar="SIZE",
            help="Keep so much of each topic, as in 500MB or 10GB, the newest; without it all.",
        ),
    ] = None,
    log_level: Annotated[
        str,
        typer.Option(
            envvar="PUBSUB_LOG_LEVEL",
            help="debug, info, warning or error, to standard error.",
            autocompletion=lambda: ["debug", "info", "warning", "error"],
        ),
    ] = "info",
    log_format: Annotated[
        str,
        typer.Option(
            envvar="PUBSUB_LOG_FORMAT",
            metavar="text|json",
            autocompletion=lambda: ["text", "json"],
            help="A line of text for each event, or an object for programs.",
        ),
    ] = "text",
    http: Annotated[
        int | None,
        typer.Option(
            envvar="PUBSUB_HTTP",
            metavar="PORT",
            min=0,
            max=65535,
            help="Serve /metrics for Prometheus, /healthz and /stats on this port of 127.0.0.1"
            " (0: any free one). [default: no port; pubsub top looks at 3001]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            envvar="PUBSUB_WORKERS",
            min=1,
            max=16,
            help="Brokers on this port and store, a process each; limits and --http are each"
            " one's own, the ports of --http counted on from the one given.",
        ),
    ] = 1,
    dashboard: Annotated[
        bool,
        typer.Option(
            "--dashboard", envvar="PUBSUB_DASHBOARD", help="Show what it does on a live screen."
        ),
    ] = False,
    ascii_: Ascii = False,
) -> None:
    """Run a broker. Prints `listening on HOST:PORT` when clients can connect.

    Without --store, PostgreSQL comes along and runs out of --data-dir; there is nothing to
    install. SIGTERM and Ctrl-C finish what was accepted, save every cursor and exit 0.

    With --dashboard a screen shows sessions, topics, rates and the log; the broker does not
    depend on it.
    """
    from app.commands import broker as command
    from app.commands.urls import warn_of_password

    store, data_dir = what_is_typed(context, store, data_dir)
    if typed(context, "store") and store is not None:
        warn_of_password(store, "--store", "PUBSUB_STORE")
    options = command.Options(
        host=host,
        port=port,
        data_dir=data_dir,
        store=store,
        tls_cert=tls_cert,
        tls_key=tls_key,
        allow_unsafe_store=allow_unsafe_store,
        auth=auth,
        insecure=insecure,
        max_connections=max_connections,
        max_connections_per_address=max_connections_per_address,
        sign_in_s=sign_in_timeout,
        dead_peer_s=dead_peer_timeout,
        max_unfinished_kb=max_unfinished_kb,
        cache_mb=cache_mb,
        max_message_kb=max_message_kb,
        store_wait_s=store_wait,
        retain_for=retain_for,
        retain_bytes=retain_bytes,
        log_level=log_level,
        log_format=log_format,
        http=http,
        workers=workers,
    )
    if dashboard:
        from app.commands import dashboard as screen

        screen.run(options, ascii_only=ascii_)
    else:
        command.run(options)
