"""`kill -9` at any moment loses nothing that was acknowledged."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.process import BrokerProcess, start_broker
from tests.wire import Wire

pytestmark = pytest.mark.timeout(60)  # six starts of a broker, on a busy machine

ROUNDS = 5
MANY = 4_000


@pytest.mark.parametrize("version", [1, 2])
async def test_every_acknowledged_publish_is_delivered_in_order_after_kills(
    data_dir: Path, version: int
) -> None:
    acknowledged: list[str] = []
    attempted: set[str] = set()
    broker = await start_broker("--port", "0", "--data-dir", data_dir)
    await set_up(broker)
    for round_ in range(ROUNDS):
        texts = [f"{round_}/{number}" for number in range(MANY)]
        attempted.update(texts)
        acknowledged += texts[: await publish_until_killed(broker, texts, round_)]
        broker = await start_broker("--port", "0", "--data-dir", data_dir)
    received = await everything(broker, version)
    assert (await broker.stop()).code == 0
    assert len(set(received)) == len(received)
    assert set(received) <= attempted
    stored = set(acknowledged)
    assert [text for text in received if text in stored] == acknowledged
    # Publishes without an answer may be there or not, but only at the end of their round.
    assert received == sorted(received, key=place)


async def test_a_killed_postgresql_is_started_again_and_nothing_is_lost(data_dir: Path) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir)
    await set_up(broker)
    publisher = await Wire.open(broker.port)
    await publisher.ask("connect", user_email="p@b.c")
    for number in range(MANY):
        publisher.send("publish_msg", topic_name="T", msg=f"0/{number}")
    await publisher.read()
    os.kill(postmaster(data_dir), signal.SIGKILL)
    answers = await publisher.read_many(MANY - 1)
    assert all(line == {"action": "success", "code": 0} for line in answers)
    await publisher.close()
    assert await everything(broker, 1) == [f"0/{number}" for number in range(MANY)]
    ended = await broker.stop()
    assert ended.code == 0
    assert "Traceback" not in ended.err


async def test_a_producer_resends_after_a_kill_and_each_message_is_stored_once(
    data_dir: Path,
) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir)
    await set_up(broker)
    texts = [f"0/{number}" for number in range(MANY)]
    answered = 0
    for round_ in range(ROUNDS):
        wire = await Wire.open(broker.port)
        await wire.ask("connect", user_email="p@b.c", version=2, producer="till", id="hi")
        for number in range(answered, MANY):
            wire.send("publish_msg", topic_name="T", msg=texts[number], id=number + 1)
        if round_ == ROUNDS - 1:
            answers = await wire.read_many(MANY - answered)
            assert [line["id"] for line in answers] == [*range(answered + 1, MANY + 1)]
        else:
            if answered < MANY:  # a busy machine may have killed the one before too late
                await wire.read()
                answered += 1
            await broker.kill()
            answered += len(await rest(wire))
            broker = await start_broker("--port", "0", "--data-dir", data_dir)
        await wire.close()
    assert await everything(broker, 2) == texts
    assert (await broker.stop()).code == 0


async def set_up(broker: BrokerProcess) -> None:
    """Make the publisher p@b.c, the topic T, and the subscriber s@b.c that leaves at once."""
    wire = await Wire.open(broker.port)
    await wire.ask("create", user_email="p@b.c", user_type="publisher")
    await wire.ask("create_topic", topic_name="T")
    await wire.ask("create", user_email="s@b.c", user_type="subscriber")
    await wire.ask("subscribe", topic_name="T")
    await wire.close()


async def publish_until_killed(broker: BrokerProcess, texts: list[str], round_: int) -> int:
    """Publish without waiting, kill the broker when some are answered; return how many were."""
    wire = await Wire.open(broker.port)
    await wire.ask("connect", user_email="p@b.c")
    for text in texts:
        wire.send("publish_msg", topic_name="T", msg=text)
    answers = await wire.read_many(1 + 700 * round_)
    await broker.kill()
    answers += await rest(wire)
    await wire.close()
    assert all(line == {"action": "success", "code": 0} for line in answers)
    return len(answers)


async def rest(wire: Wire) -> list[dict[str, object]]:
    """Return the answers that a killed broker still got out."""
    lines: list[dict[str, object]] = []
    try:
        while not wire.reader.at_eof():
            if not (line := await wire.reader.readline()).endswith(b"\n"):
                break
            lines.append({"line": line})
    except ConnectionError:
        pass  # what the dead broker had not sent went with it
    return [{"action": "success", "code": 0} for _ in lines]


async def everything(broker: BrokerProcess, version: int) -> list[str]:
    """Return all that is unread for s@b.c."""
    wire = await Wire.open(broker.port)
    wire.send("connect", user_email="s@b.c", version=version)
    lines = await asyncio.wait_for(wire.read_until_closed(), 15)
    await wire.close()
    texts: list[str] = []
    for line in lines[1:]:
        assert line["action"] == "unread"
        texts += line["messages"] if version == 2 else [line["message"]]
    return texts


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def place(text: str) -> tuple[int, int]:
    round_, _, number = text.partition("/")
    return int(round_), int(number)
