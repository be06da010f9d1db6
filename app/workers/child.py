"""One worker, as `python -m app.workers.child`: a broker that ends when its parent does.

Its order comes as a line on standard input. When that ends the worker stops as it does on
SIGTERM: what was accepted is finished, and cursors are saved.
"""

import asyncio
import os
import sys

from app.commands.broker import run_to_the_end
from app.logs import log_to_standard_error
from app.workers.order import decode


def main() -> None:
    order = decode(sys.stdin.buffer.readline())
    log_to_standard_error(order.log_level, order.log_format, worker=order.number)
    run_to_the_end(order.settings, order.http, _stop_without_parent)


def _stop_without_parent(stop: asyncio.Event) -> None:
    loop, end = asyncio.get_running_loop(), sys.stdin.fileno()

    def ended() -> None:
        if not os.read(end, 1):
            loop.remove_reader(end)
            stop.set()

    loop.add_reader(end, ended)


if __name__ == "__main__":
    main()
