"""The broker in a thread of its own."""

import asyncio
import socket

import pytest

from app.dashboard.server import BrokerEnded, BrokerThread, Phase
from broker import CannotListen, Settings
from tests.wire import Wire


async def serving(server: BrokerThread) -> int:
    """Wait until it serves, and return its port."""
    async with asyncio.timeout(15):
        while server.snapshot is None or server.phase is not Phase.SERVING:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the thread tells nobody
    return int(server.address.rpartition(":")[2])


async def test_it_serves_answers_and_stops_when_asked(running: BrokerThread) -> None:
    port = await serving(running)
    wire = await Wire.open(port)
    assert (await wire.ask("create", user_email="a@b.c", user_type="publisher"))["code"] == 0
    now = await running.ask(lambda broker: broker.snapshot())
    assert (now.publishers, now.bytes_out) == (1, len(b'{"action":"success","code":0}\n'))
    running.ask_to_stop()
    assert "being stopped" in (await wire.read())["message"]
    assert await wire.read_line() == b""
    await wire.close()
    await asyncio.to_thread(running.join)
    assert (running.phase, running.error) == (Phase.ENDED, None)
    running.ask_to_stop()  # late, and harmless
    with pytest.raises(BrokerEnded):
        await running.ask(lambda broker: broker.snapshot())


async def test_it_can_be_asked_to_stop_before_it_serves(database: str) -> None:
    server = BrokerThread(Settings(store_url=database, port=0))
    server.ask_to_stop()
    server.start()
    await asyncio.to_thread(server.join)
    assert (server.phase, server.error) == (Phase.ENDED, None)


async def test_why_it_cannot_run_is_kept(database: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(store_url=database, port=taken.getsockname()[1])
        server = BrokerThread(settings)
        server.start()
        await asyncio.to_thread(server.join)
    assert server.phase is Phase.ENDED
    assert isinstance(server.error, CannotListen)
    with pytest.raises(BrokerEnded):
        await server.ask(lambda broker: broker.snapshot())


async def test_a_question_that_fails_fails_for_who_asks_alone(running: BrokerThread) -> None:
    await serving(running)
    with pytest.raises(ZeroDivisionError):
        await running.ask(lambda broker: 1 / 0)
    assert await running.ask(lambda broker: broker.port) > 0
