"""The application `pubsub broker --dashboard`."""

import select
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType

from app.dashboard.dialogs import Confirm, Trouble
from app.dashboard.figures import in_bytes
from app.dashboard.log import LogKeeper
from app.dashboard.rates import RateMeter
from app.dashboard.screen import DashboardScreen
from app.dashboard.server import PACE_S, BrokerThread, Phase
from app.dashboard.trouble import advice
from app.dashboard.view import View, sync_words
from app.places import log_file
from app.screens.base import BaseApp
from app.screens.words import count_of
from broker.snapshot import Snapshot


class DashboardApp(BaseApp):
    """Shows what `server` tells. It leaves when the broker has ended, and not before.

    Should it fail, the broker goes on; whoever runs this says so.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "freeze", "Freeze", id="dashboard.freeze"),
        Binding("q", "stop", "Stop", id="dashboard.stop"),
        Binding("ctrl+q", "stop", "Stop", show=False, priority=True),
        Binding("ctrl+c", "stop_now", "Stop at once", show=False, priority=True),
        Binding("ctrl+z", "put_away", "Put the screen away", show=False, id="dashboard.away"),
    ]

    kind = "broker"

    def __init__(
        self,
        server: BrokerThread,
        keeper: LogKeeper,
        *,
        ascii_only: bool = False,
        config_dir: Path | None = None,
    ) -> None:
        super().__init__(ascii_only=ascii_only, config_dir=config_dir)
        self.server = server
        self._main = DashboardScreen(server, keeper, self.symbols)
        self._meter = RateMeter()
        self._seen: Snapshot | None = None
        self._frozen: View | None = None  # what is shown while the rest goes on

    def on_mount(self) -> None:
        self.push_screen(self._main)
        self.set_interval(PACE_S, self._tick)

    def _tick(self) -> None:
        """Show the newest snapshot; leave when there is nothing to show any more."""
        if not self.is_running:
            return  # it is being taken down
        server = self.server
        if server.forced or (server.phase is Phase.ENDED and server.error is None):
            self.exit()
            return
        if server.phase is Phase.ENDED and not isinstance(self.screen, Trouble):
            self._tell_trouble()
        if server.snapshot is not None and server.snapshot is not self._seen:
            self._seen = server.snapshot
            self._meter.add(server.snapshot)
        self._main.show(self._view())

    def _view(self) -> View:
        server = self.server
        if self._frozen is not None:
            return replace(self._frozen, phase=server.phase, frozen=True)
        rates, sync = self._meter.rates, sync_words(server)
        return View(server.address, server.phase, server.snapshot, rates, sync)

    # what a person does

    def action_freeze(self) -> None:
        """Hold what is shown, or let it go on. The broker goes on either way."""
        self._frozen = None if self._frozen is not None else self._view()
        self._tick()

    @work(group="stop", exclusive=True)
    async def action_stop(self) -> None:
        """Stop the broker, once that is confirmed; a second time nobody waits for it any more."""
        server = self.server
        if server.phase is Phase.ENDED:
            self.exit()
        elif server.stopping:
            server.forced = True
            self.exit()
        elif not isinstance(self.screen, Confirm) and await self.push_screen_wait(
            Confirm(f"Stop the broker at {server.address}?", self._stop_words(), "Stop")
        ):
            server.ask_to_stop()

    def action_stop_now(self) -> None:
        """Stop the broker as Ctrl-C does without a screen: at once, and without losing anything."""
        if self.server.stopping:
            self.server.forced = True
        self.server.ask_to_stop()
        self._tick()

    def action_leave(self) -> None:
        self.exit()

    def action_put_away(self) -> None:
        """Give the terminal back for a while. The broker goes on serving, its process runs."""
        try:
            with self.suspend():
                self._wait_outside()
        except SuspendNotSupported:
            self.say("the screen cannot be put away here")

    def _wait_outside(self) -> None:
        # Ctrl+Z would stop the whole process here, and with it the broker.
        before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        try:
            print(
                f"The screen is put away; the broker goes on serving on {self.server.address}.\n"
                "Enter brings the screen back, Ctrl-C stops the broker.",
                flush=True,
            )
            while self.server.phase is not Phase.ENDED:
                if select.select([sys.__stdin__], [], [], PACE_S)[0]:
                    assert sys.__stdin__ is not None
                    sys.__stdin__.readline()
                    break
        finally:
            signal.signal(signal.SIGTSTP, before)

    def action_about(self) -> None:
        from importlib.metadata import version

        now = self.server.snapshot
        totals = (
            f"; since the start {count_of(now.commits, 'commit')}, {in_bytes(now.bytes_in)} in,"
            f" {in_bytes(now.bytes_out)} out"
            if now
            else ""
        )
        self.say(
            f"pubsub-suite {version('pubsub-suite')}, textual {version('textual')};"
            f" data {self.server.settings.data_dir or 'in a database'}; log {log_file()}{totals}"
        )

    # words

    def _stop_words(self) -> str:
        now = self.server.snapshot
        if now is None or not now.connections:
            return "No session is connected. Everything that was acknowledged is on disk."
        sessions = count_of(now.connections, "session is", "sessions are")
        return (
            f"{sessions} connected: {count_of(now.publishers, 'publisher')} and"
            f" {count_of(now.subscribers, 'subscriber')}. What was accepted is stored and answered,"
            " then they are told; unread messages wait for them."
        )

    def _tell_trouble(self) -> None:
        error = self.server.error
        assert error is not None
        self.push_screen(Trouble("The broker cannot run", advice(error, self.server.settings)))
