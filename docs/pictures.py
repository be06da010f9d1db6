"""Take the pictures of the screens that the README shows: `make pictures`.

Real screens on a real broker, with a small shop's messages; what differs from run to run is
the times alone.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from app.access import Access
from app.demo.app import DemoApp
from app.demo.app import Options as DemoOptions
from app.demo.postgres import TemporaryPostgres
from app.publisher.app import PublisherApp
from app.screens.app import Options
from app.subscriber.app import SubscriberApp
from broker import Broker, Settings
from clients import Publisher, Subscriber

FOLDER = Path(__file__).parent / "pictures"
SIZE = (100, 30)
ADA, BOB = "ada@example.com", "bob@example.com"
LIMIT_S = 60.0

BEFORE = [
    ("orders.eu", '{"order": 7, "state": "paid", "total": 12}'),
    ("orders.eu", '{"order": 8, "state": "new"}'),
    ("sensors.temp", "21.5"),
    ("orders.eu", '{"order": 8, "state": "paid", "total": 3}'),
    ("orders.eu", "shipment delayed, see the runbook"),
    ("sensors.temp", "21.7"),
    ("orders.eu", '{"order": 9, "state": "new"}'),
]
LIVE = [
    ("orders.eu", '{"order": 10, "state": "new"}'),
    ("orders.eu", "plain text is fine too"),
    ("orders.eu", '{"order": 10, "state": "paid", "total": 40}'),
    ("sensors.temp", "21.6"),
]


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pubsub-pictures-") as name:
        folder = Path(name)
        async with Broker(Settings(data_dir=folder / "data", port=0)) as broker:
            address = f"127.0.0.1:{broker.port}"
            await _prepare(address)
            await _subscriber(address, folder)
            await _publisher(address, folder)
        await _demo(folder)


async def _prepare(address: str) -> None:
    async with Publisher(address, BOB, create=True) as bob:
        for topic in ("orders.eu", "orders.us", "sensors.temp", "audit"):
            await bob.create_topic(topic)
        async with Subscriber(address, ADA, create=True) as ada:
            for topic in ("orders.eu", "orders.us", "sensors.temp"):
                await ada.subscribe(topic)
        for topic, text in BEFORE:
            await bob.publish(topic, text)


async def _subscriber(address: str, folder: Path) -> None:
    app = SubscriberApp(Options(access=Access(address, ADA), config_dir=folder / "ada"))
    async with app.run_test(size=SIZE) as pilot, Publisher(address, BOB) as bob:
        await _until(pilot, lambda: "shipment" in _text(pilot))
        for topic, text in LIVE:
            await bob.publish(topic, text)
        await _until(pilot, lambda: "21.6" in _text(pilot) and "peak 0/s" not in _text(pilot))
        _save(pilot, "subscriber")


async def _publisher(address: str, folder: Path) -> None:
    app = PublisherApp(Options(access=Access(address, BOB), config_dir=folder / "bob"))
    async with app.run_test(size=SIZE) as pilot:
        await _until(pilot, lambda: "orders.eu" in _text(pilot))
        await pilot.press("enter")
        for text in ('{"order": 11, "state": "new"}', '{"order": 11, "state": "paid"}'):
            await pilot.press(*text, "ctrl+s")
        await _until(pilot, lambda: _text(pilot).count("✓") >= 2)
        await pilot.press(*'{"order": 12,')
        await pilot.pause()
        _save(pilot, "publisher")


async def _demo(folder: Path) -> None:
    app = DemoApp(DemoOptions(config_dir=folder / "demo"), TemporaryPostgres())
    try:
        async with app.run_test(size=SIZE) as pilot:
            await _until(pilot, lambda: "● serving" in _text(pilot))
            for number in range(1, 5):
                await pilot.press("space")
                await _until(pilot, lambda: _step_is_over(pilot, number))  # noqa: B023
            _save(pilot, "demo")
    finally:
        await app.presenter.close()


def _step_is_over(pilot: Pilot[None], number: int) -> bool:
    lines = _text(pilot).splitlines()
    return f"step {number} of 7" in lines[0] and any(line[1:3] == " ✓" for line in lines[20:])


def _text(pilot: Pilot[None]) -> str:
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def _until(pilot: Pilot[None], there: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not there():
            await pilot.pause(0.05)


def _save(pilot: Pilot[None], name: str) -> None:
    svg = pilot.app.export_screenshot(title=f"pubsub {name}")
    # Readers' own fonts will do: nothing is to be fetched to look at a picture.
    lines = [line for line in svg.splitlines() if "url(" not in line or "#" in line]
    (FOLDER / f"{name}.svg").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"docs/pictures/{name}.svg")


if __name__ == "__main__":
    asyncio.run(main())
