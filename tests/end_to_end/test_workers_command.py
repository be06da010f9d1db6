"""`pubsub broker --workers N`: one port, one store, several processes."""

import asyncio
import os
import re
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.ports import free_ports
from clients import Publisher, Subscriber
from tests.process import BrokerProcess, run, start_broker
from tests.wire import Wire, until

pytestmark = pytest.mark.timeout(60)  # many processes start, on a busy machine

_SERVES = re.compile(r"worker (\d+): pubsub-suite \S+ \(pid (\d+)\) serves")


async def pids(broker: BrokerProcess, workers: Iterable[int]) -> dict[int, int]:
    """Return the pids that so many workers tell when they begin to serve, by their number."""
    found: dict[int, int] = {}
    while found.keys() != {*workers}:
        line = await broker.read_log_line()
        assert line, "it ended"
        if told := _SERVES.search(line):
            found[int(told[1])] = int(told[2])
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def gone(some: Iterable[int]) -> None:
    """Return when none of these processes is there any more."""
    await until(lambda: not any(map(alive, some)))


async def test_clients_of_all_workers_share_topics_and_messages(data_dir: Path) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir, "--workers", "3")
    assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+\n", broker.line)
    workers = await pids(broker, [1, 2, 3])
    publisher = await Wire.open(broker.port)
    await publisher.ask("create", user_email="p@b.c", user_type="publisher")
    await publisher.ask("create_topic", topic_name="T")
    subscribers = []
    for number in range(12):  # so that the kernel gives each worker one
        wire = await Wire.open(broker.port)
        await wire.ask("create", user_email=f"s{number}@b.c", user_type="subscriber")
        assert (await wire.ask("subscribe", topic_name="T"))["action"] == "success"
        subscribers.append(wire)
    for number in range(300):
        publisher.send("publish_msg", topic_name="T", msg=str(number))
    for wire in subscribers:
        assert [one["message"] for one in await wire.read_many(300)] == [*map(str, range(300))]
    ended = await broker.stop()
    assert ended.code == 0, ended.err
    assert ended.err.count("stopped; what was acknowledged is in the store") == 3
    await gone(workers.values())
    for wire in [publisher, *subscribers]:
        await wire.close()


async def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(data_dir: Path) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir, "--workers", "2")
    workers = await pids(broker, [1, 2])
    async with (
        Publisher(broker.connect, "p@b.c", create=True) as publisher,
        Subscriber(broker.connect, "s@b.c", create=True) as subscriber,
    ):
        await publisher.create_topic("T")
        await subscriber.subscribe("T")
        for number in (1, 2, 1):
            os.kill(workers[number], signal.SIGKILL)
            sending = asyncio.ensure_future(publisher.publish_many("T", ["a", "b", "c"]))
            assert [await anext(subscriber) for _ in range(3)]
            await sending
            workers |= await pids(broker, [number])
    ended = await broker.stop()
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err


async def test_the_workers_and_postgresql_end_when_their_parent_is_killed(data_dir: Path) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir, "--workers", "2")
    workers = await pids(broker, [1, 2])
    postmaster = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    await broker.kill()
    await gone([*workers.values(), postmaster])
    again = await start_broker("--port", "0", "--data-dir", data_dir)
    assert (await again.stop()).code == 0


async def test_a_second_signal_ends_them_at_once(data_dir: Path) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir, "--workers", "2")
    workers = await pids(broker, [1, 2])
    for pid in workers.values():
        os.kill(pid, signal.SIGSTOP)  # so that they do not end by being told
    broker.send(signal.SIGTERM)
    await broker.logs("stopping 2 workers")
    assert all(map(alive, workers.values()))
    await broker.stop(signal.SIGTERM)
    await gone(workers.values())


@pytest.mark.slow
async def test_each_worker_has_a_port_of_its_own_for_metrics(data_dir: Path) -> None:
    ports = free_ports(2)
    broker = await start_broker(
        *("--port", "0", "--data-dir", data_dir, "--workers", "2", "--http", str(ports[0]))
    )
    for port in ports:
        shown = await run("top", "--once", "--http", str(port))
        assert shown.code == 0, shown.err
    assert (await broker.stop()).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ["--store", "postgresql://a@127.0.0.1:1/x", "--store-wait", "0"],
            1,
            "cannot be used",
        ),
        (["--host", "0.0.0.0"], 2, "--insecure"),
        (["--dashboard"], 2, "--dashboard shows one broker"),
        (["--port", "3100", "--http", "3099"], 2, "--http takes a port for each worker"),
        (["--workers", "0"], 2, "--workers"),
    ],
)
async def test_what_cannot_be_is_said_once(
    arguments: list[str], code: int, sentence: str, tmp_path: Path
) -> None:
    store = [] if "--store" in arguments else ["--data-dir", str(tmp_path / "data")]
    port = [] if "--port" in arguments else ["--port", "0"]
    ended = await run("broker", "--workers", "2", *store, *port, *arguments)
    assert ended.code == code, ended.err
    assert ended.err.count(sentence) == 1, ended.err
    assert "Traceback" not in ended.err
    assert ended.out == b""


async def test_a_port_that_another_group_of_workers_has_is_refused(
    data_dir: Path, tmp_path: Path
) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir, "--workers", "2")
    ended = await run(
        *("broker", "--port", str(broker.port), "--data-dir", tmp_path / "other", "--workers", "2")
    )
    assert ended.code == 1
    assert "is in use by another program" in ended.err
    assert not (tmp_path / "other").exists()
    assert (await broker.stop()).code == 0
