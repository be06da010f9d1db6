"""The application `pubsub demo`."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.commands.ending import say
from app.demo.presenter import Presenter
from app.demo.scene import Scene
from app.demo.screen import DemoScreen
from app.demo.steps import Step
from app.demo.stores import Stores
from app.exits import FAILED
from app.screens.base import BaseApp
from broker.store.errors import StoreUnusable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    pace_s: float = 6.0
    ascii_only: bool = False
    config_dir: Path | None = None


class DemoApp(BaseApp):
    """Shows the demonstration. Whoever runs it closes its `presenter` in the end."""

    kind = "demo"

    def __init__(
        self,
        options: Options,
        stores: Stores,
        steps: Sequence[Step] | None = None,
    ) -> None:
        super().__init__(ascii_only=options.ascii_only, config_dir=options.config_dir)
        self.presenter = Presenter(stores, Scene(), options.pace_s, steps)

    def on_mount(self) -> None:
        self.push_screen(DemoScreen(self.presenter, self.symbols))
        self.presenter.begin()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def action_about(self) -> None:
        stage = self.presenter.stage
        where = f"127.0.0.1:{stage.port}" if stage is not None else "nowhere yet"
        self.say(f"the broker listens on {where}; connect to it with any client")


def run(options: Options, stores: Stores) -> None:
    """Show the screen until it is left; whatever ends it, nothing is left behind.

    Exits with 1 where something of it could not be removed, and says what that is.
    """
    try:
        code = asyncio.run(_run(options, stores))
    except StoreUnusable as error:
        say(str(error))
        code = FAILED
    sys.exit(code)


async def _run(options: Options, stores: Stores) -> int:
    demo = DemoApp(options, stores)
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, demo.exit)
    try:
        await demo.run_async()
    finally:
        await demo.presenter.close()  # the terminal is the user's again meanwhile
    return demo.return_code or 0
