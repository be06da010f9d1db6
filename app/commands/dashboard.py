"""`pubsub broker --dashboard`: a broker with its live screen."""

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from threading import Thread

from app.commands.broker import Options, settings_of, wrong_usage
from app.commands.ending import say
from app.dashboard.app import DashboardApp
from app.dashboard.log import LogKeeper
from app.dashboard.server import BrokerThread, Phase
from app.dashboard.trouble import advice
from app.exits import FAILED, WRONG_USAGE
from app.logs import log_to_file, log_to_standard_error
from app.screens.symbols import terminal_is_ascii
from app.screens.terminal import require_terminal
from broker import CannotListen, StoreUnusable

SCREEN_LIMIT_S = 2.0  # for the screen to leave once the broker has ended
# The screen draws for a few milliseconds at a time. The broker must not wait for that whenever
# it comes back from the kernel.
SWITCH_S = 0.0005

_logger = logging.getLogger("pubsub.dashboard")


def run(options: Options, *, ascii_only: bool) -> None:
    """Serve, and show it, until a person or a signal stops the broker; then exit 0.

    The broker has a thread of its own and outlives its screen: should that fail, this says
    so and waits for a signal as the command without a screen does.
    """
    fault = wrong_usage(options)
    if fault is not None:
        say(fault)
        sys.exit(WRONG_USAGE)
    if options.workers > 1:
        say("--dashboard shows one broker; leave out --workers, or look at each with pubsub top")
        sys.exit(WRONG_USAGE)
    require_terminal("pubsub broker")
    keeper = LogKeeper()
    log_to_file(options.log_level, options.log_format)
    logging.getLogger().addHandler(keeper)
    server = BrokerThread(settings_of(options), options.http)
    signals = _Signals(server)
    sys.setswitchinterval(SWITCH_S)
    server.start()
    _show(server, keeper, signals, ascii_only=ascii_only or terminal_is_ascii())
    signals.screen_is_up = False
    if server.forced:
        _end_at_once()
    if server.phase is not Phase.ENDED and not server.stopping:
        _serve_without_screen(server, options)
    server.join()
    _tell_end(server)


def _show(
    server: BrokerThread, keeper: LogKeeper, signals: "_Signals", *, ascii_only: bool
) -> None:
    """Show the screen until the broker has ended, or the screen has failed."""
    try:
        app = DashboardApp(server, keeper, ascii_only=ascii_only)
        signals.screen_is_up = True
        app.run()
    except Exception:  # whatever it was, the broker goes on
        _logger.exception("the screen has failed")


def _serve_without_screen(server: BrokerThread, options: Options) -> None:
    log_to_standard_error(options.log_level, options.log_format)
    with suppress(OSError):  # the terminal may be what has failed
        say(
            f"the screen has failed; the broker goes on serving on {server.address}."
            " Ctrl-C or SIGTERM stops it without losing anything"
        )


def _tell_end(server: BrokerThread) -> None:
    error = server.error
    if isinstance(error, CannotListen | StoreUnusable):
        say(" ".join(advice(error, server.settings)))
        sys.exit(FAILED)
    if error is not None:
        raise error


class _Signals:
    """SIGINT, SIGTERM and SIGHUP: the first stops the broker, the second ends the process."""

    def __init__(self, server: BrokerThread) -> None:
        self._server = server
        self.screen_is_up = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: object) -> None:
        if not self._server.stopping:
            self._server.ask_to_stop()
            Thread(target=self._end_for_sure, name="end", daemon=True).start()
        elif self.screen_is_up:
            self._server.forced = True  # the screen leaves the terminal as it was
        else:
            _end_at_once(number)

    def _end_for_sure(self) -> None:
        """End the process when the broker has ended, though the screen may hang.

        It does where its terminal is gone: nobody takes what it writes.
        """
        self._server.join()
        time.sleep(SCREEN_LIMIT_S)
        os._exit(0 if self._server.error is None else FAILED)


def _end_at_once(number: int = signal.SIGTERM) -> None:
    """End as the signal does where nobody listens to it. What was acknowledged is on disk."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
