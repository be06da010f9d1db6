"""The application `pubsub demo`."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.demo.postgres import TemporaryPostgres
from app.demo.presenter import Postgres, Presenter
from app.demo.scene import Scene
from app.demo.screen import DemoScreen
from app.demo.steps import STEPS, Step
from app.screens.base import BaseApp

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
        postgres: Postgres | None = None,
        steps: Sequence[Step] = STEPS,
    ) -> None:
        super().__init__(ascii_only=options.ascii_only, config_dir=options.config_dir)
        self.presenter = Presenter(postgres or TemporaryPostgres(), Scene(), options.pace_s, steps)

    def on_mount(self) -> None:
        self.push_screen(DemoScreen(self.presenter, self.symbols))
        self.presenter.begin()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def action_about(self) -> None:
        stage = self.presenter.stage
        where = f"127.0.0.1:{stage.port}" if stage is not None else "nowhere yet"
        self.say(f"the broker listens on {where}; connect to it with any client")


def run(options: Options) -> None:
    """Show the screen until it is left; whatever ends it, nothing is left behind."""
    sys.exit(asyncio.run(_run(options)))


async def _run(options: Options) -> int:
    demo = DemoApp(options)
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, demo.exit)
    try:
        await demo.run_async()
    finally:
        await demo.presenter.close()  # the terminal is the user's again meanwhile
    return demo.return_code or 0
