"""A broker is told to stop while everybody is at work, again and again."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proof import work_goes_on
from tests.faults.shop import good
from tests.process import BrokerProcess, start_broker
from tests.wire import Wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

STOPS = 12
PUBLISHERS = 4
AHEAD = 200  # publishes of each that have no answer yet


class Till:
    """Publishes without end, and keeps what was answered with success, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stored: list[str] = []
        self.under_way = asyncio.Event()
        self._number = 0

    async def work(self, port: int) -> None:
        """Publish until the broker says that it stops, and ends the connection."""
        wire = await Wire.open(port)
        for action in ("create", "connect"):
            await wire.ask(action, user_email=f"{self.name}@b.c", user_type="publisher")
        await wire.ask("create_topic", topic_name=self.name)
        sent = [self._send(wire) for _ in range(AHEAD)]
        for text in sent:
            answer = await wire.read()
            if answer["action"] == "error":
                assert "being stopped" in answer["message"]
                break
            self.stored.append(text)
            self.under_way.set()
            sent.append(self._send(wire))
        # What comes after the first that was refused is refused too: nothing overtakes.
        while line := await wire.read_line():
            assert b"being stopped" in line
        await wire.close()

    def _send(self, wire: Wire) -> str:
        self._number += 1
        text = f"{self.name} {self._number}"
        wire.send("publish_msg", topic_name=self.name, msg=text)
        return text


async def test_a_broker_stopped_under_load_has_stored_what_it_answered_and_nothing_else(
    data_dir: Path,
) -> None:
    tills = [Till(f"TILL{number}") for number in range(PUBLISHERS)]
    for stop in range(STOPS):
        broker = await start_broker("--port", "0", "--data-dir", data_dir)
        working = [asyncio.create_task(till.work(broker.port)) for till in tills]
        for till in tills:
            till.under_way.clear()
            await till.under_way.wait()
        await asyncio.sleep(0.01 * stop)  # any moment will do
        ended = await broker.stop(signal.SIGTERM)
        assert ended.code == 0, ended.err
        assert "Traceback" not in ended.err
        await asyncio.gather(*working)
    again = await start_broker("--port", "0", "--data-dir", data_dir)
    for till in tills:
        assert await history(again, till.name) == till.stored
    await work_goes_on(again.port)
    assert (await again.stop()).code == 0


async def history(broker: BrokerProcess, topic: str) -> list[str]:
    """Return all messages of `topic`, the first first."""
    wire = await Wire.open(broker.port)
    good(await wire.ask("connect", user_email=f"{topic}@b.c", version=2))
    found: list[str] = []
    while more := await after(wire, topic, len(found)):
        found += more
    await wire.close()
    return found


async def after(wire: Wire, topic: str, seq: int) -> list[str]:
    answer: dict[str, Any] = await wire.ask("history", topic_name=topic, after=seq, limit=1000)
    return [one for block in good(answer)["blocks"] for one in block["messages"]]
