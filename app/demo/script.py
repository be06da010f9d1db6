"""Plays the steps as plain text, and exits 0 only if every step brought what it should."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.text import Text

from app.demo.stage import Stage
from app.demo.steps import STEPS, Play
from app.demo.wire import StepFailed
from app.text import harmless

LINE_WIDTH = 160  # characters of a line that are shown


def run() -> None:
    sys.exit(asyncio.run(_play()))


async def _play() -> int:
    """Play all steps on a temporary data directory; return the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="pubsub-demo-"))
    stage = Stage(folder / "data", lambda *line: _show(console, *line))
    try:
        return await _play_on(console, stage)
    finally:
        await stage.stop()
        shutil.rmtree(folder)


async def _play_on(console: Console, stage: Stage) -> int:
    console.print("pubsub: a real broker on real PostgreSQL, real sockets, nothing made up.")
    console.print("Starting PostgreSQL on a temporary folder ...")
    began = perf_counter()
    await stage.prepare()
    console.print(
        f"The broker listens on 127.0.0.1:{stage.port} after {perf_counter() - began:.1f} s."
        " Lines marked > are sent, lines marked < are what came."
    )
    play = Play(stage)
    for number, (title, step) in enumerate(STEPS, 1):
        console.print(f"\nStep {number} of {len(STEPS)}: {title}", style="bold")
        console.print("  " + " ".join((step.__doc__ or "").split()), style="dim")
        try:
            result = await step(play)
        except (StepFailed, OSError) as error:
            console.print(Text(f"  FAILED: {error}", style="bold red"))
            return 1
        console.print(Text(f"  ok: {result}", style="green"))
    console.print(f"\nAll {len(STEPS)} steps did what they say.", style="bold green")
    return 0


def _show(console: Console, who: str, direction: str, line: str) -> None:
    shown = harmless(line if len(line) <= LINE_WIDTH else line[:LINE_WIDTH] + " ...")
    console.print(Text(f"  {who:>10} {direction} {shown}"))
