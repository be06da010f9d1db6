"""`pubsub top`: what a running broker does, again and again or once."""

import sys
import time
from dataclasses import replace

from rich.console import Console
from rich.live import Live

from app.commands.ending import run_checked
from app.commands.faults import Failed
from app.commands.output import write
from app.top.asking import ask
from app.top.drawing import draw
from app.top.picture import Picture, Pictures
from clients import NoBroker

ONCE_S = 1.0  # between the two looks that rates take


def run(port: int, *, once: bool, every_s: float) -> None:
    """Show the broker behind `port` until Ctrl-C, or once where there is no terminal."""
    if once or not sys.stdout.isatty():
        run_checked(lambda: _show_once(port))
    else:
        run_checked(lambda: _keep_showing(port, every_s))


def _show_once(port: int) -> None:
    pictures = Pictures()
    pictures.add(ask(port))
    time.sleep(ONCE_S)
    picture = pictures.add(ask(port))
    console = Console(highlight=False)
    with console.capture() as captured:
        console.print(draw(picture, None))
    write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()).encode())


def _keep_showing(port: int, every_s: float) -> None:
    pictures = Pictures()
    picture = pictures.add(ask(port))  # where nothing answers, that is said without a screen
    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(draw(picture, console.height), refresh=True)
            time.sleep(every_s)
            picture = _next(pictures, picture, port)


def _next(pictures: Pictures, last: Picture, port: int) -> Picture:
    """Return the next picture, or the last one with why there is none."""
    try:
        return pictures.add(ask(port))
    except (NoBroker, Failed):
        clock = f"{last.stats.time.astimezone():%H:%M:%S}"
        return replace(last, unanswered=f"no answer; this is from {clock}")
