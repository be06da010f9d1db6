"""A broker on NATS JetStream: `kill -9` of either of the two loses nothing acknowledged."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.test_kill import (
    MANY,
    everything,
    place,
    publish_until_killed,
    set_up,
)
from tests.nats import NATS_ENV, NatsServer, nats_server, needs_nats
from tests.process import run, start_broker
from tests.wire import Wire

pytestmark = [needs_nats, pytest.mark.timeout(60)]

ROUNDS = 3


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with nats_server(tmp_path) as server:
        yield server


@pytest.mark.parametrize("version", [1, 2])
async def test_what_a_killed_broker_acknowledged_is_delivered_in_order(
    server: NatsServer, version: int
) -> None:
    acknowledged: list[str] = []
    broker = await start_broker("--port", "0", "--store", server.url)
    await set_up(broker)
    for round_ in range(ROUNDS):
        texts = [f"{round_}/{number}" for number in range(MANY)]
        acknowledged += texts[: await publish_until_killed(broker, texts, round_)]
        broker = await start_broker("--port", "0", "--store", server.url)
    received = await everything(broker, version)
    ended = await broker.stop()
    assert (ended.code, "Traceback" in ended.err) == (0, False), ended.err
    assert len(set(received)) == len(received)
    stored = set(acknowledged)
    assert [text for text in received if text in stored] == acknowledged
    assert received == sorted(received, key=place)


async def test_publishes_wait_for_a_server_that_was_killed(server: NatsServer) -> None:
    broker = await start_broker("--port", "0", "--store", server.url, env=NATS_ENV)
    await set_up(broker)
    publisher = await Wire.open(broker.port)
    await publisher.ask("connect", user_email="p@b.c")
    for number in range(MANY):
        publisher.send("publish_msg", topic_name="T", msg=f"0/{number}")
    await publisher.read()
    await server.kill()
    await server.start()
    answers = await publisher.read_many(MANY - 1)
    assert all(line == {"action": "success", "code": 0} for line in answers)
    await publisher.close()
    assert await everything(broker, 1) == [f"0/{number}" for number in range(MANY)]
    ended = await broker.stop()
    assert (ended.code, "Traceback" in ended.err) == (0, False), ended.err


async def test_a_server_that_is_not_there_is_one_sentence() -> None:
    ended = await run("broker", "--port", "0", "--store", "nats://user:secret@127.0.0.1:1")
    assert (ended.code, ended.out) == (1, b"")
    assert "NATS at 127.0.0.1:1 cannot be reached" in ended.err
    assert "secret" not in ended.err.partition("PUBSUB_STORE keeps it from them")[2]
    assert "Traceback" not in ended.err
