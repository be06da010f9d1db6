"""`pubsub broker`: a broker in a process of its own."""

import asyncio
import gc
import logging
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.amounts import NotAnAmount, bytes_of, seconds_of
from app.commands.ending import say
from app.exits import FAILED, WRONG_USAGE
from app.logs import FORMATS, LEVELS, log_to_standard_error
from app.monitoring import monitor
from app.places import default_data_dir
from broker import Auth, Broker, CannotListen, Settings, StoreUnusable, TooOpen
from broker.listening import shown
from broker.settings import KIB, MIB
from broker.store.jetstream.address import SCHEMES as NATS_SCHEMES

RETAIN_LEAST_S = 1.0
STORE_SCHEMES = ("postgresql://", "postgres://", *NATS_SCHEMES)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_logger = logging.getLogger("pubsub.broker")


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    data_dir: Path | None
    store: str | None = field(repr=False)
    tls_cert: Path | None
    tls_key: Path | None
    allow_unsafe_store: bool
    auth: str
    insecure: bool
    max_connections: int
    max_connections_per_address: int | None
    sign_in_s: float
    dead_peer_s: int
    max_unfinished_kb: int
    cache_mb: int
    max_message_kb: int
    store_wait_s: float
    retain_for: str | None
    retain_bytes: str | None
    log_level: str
    log_format: str = "text"
    http: int | None = None  # the port of what is told over HTTP
    workers: int = 1


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then exit 0; exit 1 where it cannot be done."""
    fault = wrong_usage(options)
    if fault is not None:
        say(fault)
        sys.exit(WRONG_USAGE)
    log_to_standard_error(options.log_level, options.log_format)
    if options.workers > 1:
        from app.commands import workers

        workers.run(settings_of(options), options)
    else:
        run_to_the_end(settings_of(options), options.http)


def run_to_the_end(
    settings: Settings,
    http: int | None,
    also_stop: Callable[[asyncio.Event], None] = lambda stop: None,
) -> None:
    """Serve until a signal, or until what `also_stop` watches sets the event it is given.

    Exits with what stands for the reason where it cannot be done.
    """
    _raise_file_limit()
    with exit_if_refused(), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(settings, http, also_stop))


@contextmanager
def exit_if_refused() -> Iterator[None]:
    """Say in a sentence why a broker cannot be, and exit."""
    try:
        yield
    except TooOpen as error:
        say(str(error))
        sys.exit(WRONG_USAGE)
    except (CannotListen, StoreUnusable) as error:
        say(str(error))
        sys.exit(FAILED)


def settings_of(options: Options) -> Settings:
    """Return what the options say, which are not wrong."""
    data_dir = options.data_dir or (None if options.store else default_data_dir())
    return Settings(
        host=options.host,
        port=options.port,
        data_dir=data_dir,
        store_url=options.store,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        auth=Auth(options.auth),
        insecure=options.insecure,
        connections=options.max_connections,
        connections_per_address=options.max_connections_per_address,
        sign_in_s=options.sign_in_s,
        dead_peer_s=options.dead_peer_s,
        unfinished_bytes=options.max_unfinished_kb * KIB,
        allow_unsafe_store=options.allow_unsafe_store,
        cache_bytes=options.cache_mb * MIB,
        message_bytes=options.max_message_kb * KIB,
        store_wait_s=options.store_wait_s,
        retain_for_s=seconds_of(options.retain_for) if options.retain_for else None,
        retain_bytes=bytes_of(options.retain_bytes) if options.retain_bytes else None,
    )


def wrong_usage(options: Options) -> str | None:
    """Return what is wrong with the options in a sentence, or None."""
    if options.store is not None and options.data_dir is not None:
        return "--store and --data-dir exclude each other; give one of them"
    if options.store is not None and not options.store.startswith(STORE_SCHEMES):
        return "--store takes a URL that begins with postgresql:// or nats://"
    if (options.tls_cert is None) != (options.tls_key is None):
        return "--tls-cert and --tls-key go together; give both, or neither"
    if options.log_level.lower() not in LEVELS:
        return f"--log-level takes one of {', '.join(LEVELS)}"
    if options.log_format not in FORMATS:
        return f"--log-format takes {' or '.join(FORMATS)}"
    if options.http and options.http == options.port:
        return "--http and --port are two ports, and both are given as " + str(options.port)
    if options.http and options.workers > 1 and _http_meets_port(options):
        return (
            "--http takes a port for each worker, from the one given on, and --port is among them"
        )
    if not options.host:
        return "--host takes an address or a name of this machine, such as 127.0.0.1"
    if options.auth not in [one.value for one in Auth]:
        return f"--auth takes {' or '.join(Auth)}"
    return _wrong_retention(options)


def _http_meets_port(options: Options) -> bool:
    return options.http is not None and options.port in range(
        options.http, options.http + options.workers
    )


def _wrong_retention(options: Options) -> str | None:
    try:
        if options.retain_for and seconds_of(options.retain_for) < RETAIN_LEAST_S:
            return "--retain-for takes a second or more"
        if options.retain_bytes and bytes_of(options.retain_bytes) < 1:
            return "--retain-bytes takes a byte or more"
    except NotAnAmount as error:
        return str(error)
    return None


def _raise_file_limit() -> None:
    """Let the process open as many files as it may: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the fastest kind of event loop there is here."""
    try:
        import uvloop
    except ImportError:  # it is not made for every platform
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(
    settings: Settings, http: int | None, also_stop: Callable[[asyncio.Event], None]
) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    also_stop(stop)
    broker = Broker(settings)
    async with monitor(http) as monitored:
        # A start takes long where PostgreSQL recovers from a crash, and can be stopped as well.
        if not await unless(stop, broker.start()):
            return
        try:
            await monitored(broker)
            # What is alive now stays so; looking through it again would only cost time.
            gc.collect()
            gc.freeze()
            announce(shown(broker.host, broker.port))
            await unless(stop, broker.serve())
        finally:
            await broker.stop()


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Have the first signal set `stop`, and the second end the process at once."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        stop.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, heard)


def announce(address: str) -> None:
    try:
        print(f"listening on {address}", flush=True)
    except OSError as error:
        _logger.warning("listening on %s; standard output cannot be written: %s", address, error)
        sys.stdout = None  # Python would complain once more when it flushes it at exit


async def unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do `work` and return True. Where `stop` comes first, cancel it and return False."""
    task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for one in (task, stopping):
        one.cancel()
    await asyncio.wait({task, stopping})
    if task.cancelled():
        return False
    task.result()
    return True
