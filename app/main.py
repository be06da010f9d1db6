"""The `pubsub` command: its options, and which command each goes to.

Standard output carries data, standard error the talk. Exit codes: 0 done, 1 failed, 2 wrong
usage, 3 no broker reached, 130 interrupted.

The commands are imported when they are called, so that `--help` and completion are quick.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from app import environment
from app.access import Access
from app.commands import operating

FAILED, WRONG_USAGE, NO_BROKER, INTERRUPTED = 1, 2, 3, 130

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

Connect = Annotated[
    str,
    typer.Option(
        envvar="PUBSUB_CONNECT",
        metavar="HOST:PORT,...",
        help="Where the broker is; with several, the first that answers.",
    ),
]
Email = Annotated[
    str | None,
    typer.Option(envvar="PUBSUB_EMAIL", metavar="E-MAIL", help="The account to sign in with."),
]
Tls = Annotated[
    bool,
    typer.Option("--tls", envvar="PUBSUB_TLS", help="Connect with TLS, and check who answers."),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        envvar="PUBSUB_CA",
        metavar="FILE",
        help="Who may vouch for the broker, as PEM certificates; means --tls.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", envvar="PUBSUB_JSON", help="One JSON object a line, for programs."),
]
Ascii = Annotated[
    bool, typer.Option("--ascii", envvar="PUBSUB_ASCII", help="Draw with ASCII characters alone.")
]


@app.command()
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
            help="Keep everything in this PostgreSQL database instead.",
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
    log_level: Annotated[
        str,
        typer.Option(
            envvar="PUBSUB_LOG_LEVEL", help="debug, info, warning or error, to standard error."
        ),
    ] = "info",
    log_format: Annotated[
        str,
        typer.Option(
            envvar="PUBSUB_LOG_FORMAT",
            metavar="text|json",
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

    # What is typed wins over what the environment or a .env file says.
    if _typed(context, "data_dir") and not _typed(context, "store"):
        store = None
    elif _typed(context, "store") and not _typed(context, "data_dir"):
        data_dir = None
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
        log_level=log_level,
        log_format=log_format,
        http=http,
    )
    if dashboard:
        from app.commands import dashboard as screen

        screen.run(options, ascii_only=ascii_)
    else:
        command.run(options)


@app.command()
def pub(
    topic: Annotated[str, typer.Argument(help="The topic to publish to.")],
    text: Annotated[
        str | None,
        typer.Argument(help="The message. Without it, each line of standard input is one."),
    ] = None,
    connect: Connect = "127.0.0.1:3000",
    email: Email = None,
    tls: Tls = False,
    ca: Ca = None,
    create: Annotated[
        bool,
        typer.Option(
            "--create",
            envvar="PUBSUB_CREATE",
            help="Make the account and the topic if they are missing.",
        ),
    ] = False,
) -> None:
    """Publish a message, or one per line of standard input; return when all are on disk.

    For example: `tail -f app.log | pubsub pub LOGS --email me@example.com --create`
    """
    from app.commands import pub as command

    command.run(command.Options(topic, text, _access(connect, email, tls, ca), create))


@app.command()
def sub(
    topics: Annotated[list[str], typer.Argument(help="The topics to subscribe to.")],
    connect: Connect = "127.0.0.1:3000",
    email: Email = None,
    tls: Tls = False,
    ca: Ca = None,
    create: Annotated[
        bool,
        typer.Option("--create", envvar="PUBSUB_CREATE", help="Make the account if it is missing."),
    ] = False,
    count: Annotated[
        int | None,
        typer.Option(envvar="PUBSUB_COUNT", min=1, help="Exit after so many messages."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            envvar="PUBSUB_FROM",
            metavar="all|new|SEQ",
            help="Where to begin: with everything there is, with what comes, or with a seq."
            " Without it: where you left off, and with everything the first time.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print the messages of topics: first what is unread, then what comes.

    A message is confirmed once it is printed, so whatever ends this command, the next one
    goes on right after it. Ctrl-C ends it.
    """
    from app.commands import sub as command

    access = _access(connect, email, tls, ca)
    command.run(command.Options(topics, access, create, count, from_, json))


@app.command()
def topics(
    connect: Connect = "127.0.0.1:3000",
    email: Email = None,
    tls: Tls = False,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the topics: how many messages, how many subscribers, how much is unread."""
    from app.commands import topics as command

    command.run(_access(connect, email, tls, ca), as_json=json)


@app.command()
def backlog(
    connect: Connect = "127.0.0.1:3000",
    email: Email = None,
    tls: Tls = False,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Show what is unread, by topic.

    As a subscriber: your own unread messages. As a publisher: for each topic how many
    subscriptions are behind, and by how many messages in all.
    """
    from app.commands import backlog as command

    command.run(_access(connect, email, tls, ca), as_json=json)


@app.command()
def password(
    connect: Connect = "127.0.0.1:3000", email: Email = None, tls: Tls = False, ca: Ca = None
) -> None:
    """Change the account's password, or give it its first.

    Asks on the terminal for the present one, if there is one, and twice for the new one.
    Without a terminal they are PUBSUB_PASSWORD and PUBSUB_NEW_PASSWORD. Other sessions of the
    account end.
    """
    from app.commands import password as command

    command.run(_access(connect, email, tls, ca))


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


@app.command()
def publisher(
    connect: Connect = "127.0.0.1:3000",
    email: Email = None,
    tls: Tls = False,
    ca: Ca = None,
    ascii_: Ascii = False,
) -> None:
    """Open the publisher's screen: topics, a composer, and what became of each message.

    Where no broker is reached it offers to start one. The plain twin is `pubsub pub`.
    """
    from app.commands import screens
    from app.screens.app import Options

    screens.publisher(Options(access=_access(connect, email, tls, ca), ascii_only=ascii_))


@app.command()
def subscriber(
    connect: Connect = "127.0.0.1:3000",
    email: Email = None,
    tls: Tls = False,
    ca: Ca = None,
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
    access = _access(connect, email, tls, ca)
    if web is not None:
        from app.commands import web as command

        command.serve_subscriber(access, ascii_only=ascii_, keep=keep, port=web)
        return
    from app.commands import screens
    from app.screens.app import Options

    screens.subscriber(Options(access=access, ascii_only=ascii_, keep=keep))


@app.command()
def demo(
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
    ascii_: Ascii = False,
    web: Web = None,
) -> None:
    """Show what the project is for: a real broker, real clients, real faults.

    Space plays the next step; without a terminal all of them are played as text, and the
    exit code is 0 only if every step did what it says. Uses a temporary folder and a free
    port; nothing of yours is touched.
    """
    if web is not None:
        from app.commands import web as web_command

        web_command.serve_demo(pace, ascii_only=ascii_, port=web)
        return
    from app.commands import demo as command

    command.run(command.Options(script, pace, ascii_))


@app.command()
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
            metavar="HOST:PORT",
            help="A broker that runs already, instead of one on temporary data.",
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


operating.register(app)


def _access(connect: str, email: str | None, tls: bool, ca: Path | None) -> Access:
    return Access(connect, email, tls, ca, os.environ.get("PUBSUB_PASSWORD"))


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


def _typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _fill_standard_streams() -> None:
    """Open what whoever called us has closed, so that no socket or file takes its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


if __name__ == "__main__":
    main()
