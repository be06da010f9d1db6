"""`pubsub broker --workers N`: the parent of so many brokers."""

import asyncio
import logging
import signal
import sys
from dataclasses import replace

from app.commands.broker import Options, announce, exit_if_refused
from app.workers.order import Order
from app.workers.parent import WorkerFailed, Workers, shared_port, shared_store
from broker import Settings
from broker.listening import shown

_logger = logging.getLogger("pubsub.workers")


def run(settings: Settings, options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then exit 0; exit as a worker does that cannot begin to.

    A worker that ends meanwhile is replaced. A second signal ends all of them at once.
    """
    try:
        with exit_if_refused():
            asyncio.run(_serve(settings, options))
    except WorkerFailed as failed:
        sys.exit(failed.code)


async def _serve(settings: Settings, options: Options) -> None:
    stop, kill = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if stop.is_set():
            kill.set()
        else:
            _logger.info("stopping %d workers", options.workers)
            stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard)
    async with shared_port(settings) as port, shared_store(settings) as shared:
        each = replace(shared, port=port, share_port=True)
        orders = [
            Order(number + 1, each, _http(options, number), options.log_level, options.log_format)
            for number in range(options.workers)
        ]
        await Workers(orders, stop, kill).run(lambda: announce(shown(settings.host, port)))


def _http(options: Options, number: int) -> int | None:
    return options.http + number if options.http else options.http
