"""Very many at once, of whom some want nothing good: whoever is signed in goes on."""

import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker import Broker, Settings
from tests.faults.crowds import crowd_back, flood
from tests.faults.proof import work_goes_on
from tests.faults.shop import Shop, good
from tests.patience import until
from tests.process import running_broker

CROWD = 500
FLOOD = 10_000
THOUSAND = 1_000
SPARE_FILES = 1_000
MEMORY_KB = 400_000  # of a broker with ten thousand strangers; without them it has 70,000


@pytest.mark.parametrize("room", [50, 10_000])
async def test_a_flood_of_strangers_leaves_those_who_are_signed_in_alone(
    database: str, room: int
) -> None:
    settings = Settings(store_url=database, port=0, connections=room, sign_in_s=1, stop_wait_s=0.2)
    async with Broker(settings) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        async with flood(broker.port, CROWD, random.Random(1)):
            for number in range(20):
                good(await shop.publish(f"amid the flood {number}"))
            await shop.check()
            # Nobody of them signs in, and so nobody of them stays.
            await until(lambda: broker.snapshot().connections == 2)
        good(await shop.publish("after it"))
        await shop.check()
        await work_goes_on(broker.port)


async def test_hundreds_that_come_back_at_once_are_all_let_in(database: str) -> None:
    async with Broker(Settings(store_url=database, port=0)) as broker, Shop.on(broker.port) as shop:
        await crowd_back(broker.port, CROWD // 4)
        good(await shop.publish("after them"))
        await shop.check()
        await work_goes_on(broker.port)


@pytest.fixture
def many_files() -> Iterator[int]:
    """How many strangers this process may be: each is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(FLOOD, hard - SPARE_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_ten_thousand_strangers_leave_those_who_are_signed_in_alone(
    database: str, many_files: int
) -> None:
    room = many_files * 9 // 10
    limits = ["--max-connections", str(room), "--sign-in-timeout", "10"]
    async with (
        running_broker("--store", database, *limits) as broker,
        Shop.on(broker.port) as shop,
    ):
        good(await shop.publish("before"))
        async with flood(broker.port, many_files, random.Random(1)):
            for number in range(50):
                good(await shop.publish(f"as they come {number}"))
            await until(lambda: open_files(broker.pid) > room)
            for number in range(50):
                good(await shop.publish(f"amid the flood {number}"))
            await shop.check()
            assert peak_kb(broker.pid) < MEMORY_KB
            await until(lambda: open_files(broker.pid) < SPARE_FILES)
        good(await shop.publish("after it"))
        await shop.check()
        await work_goes_on(broker.port)
        ended = await broker.stop()
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert "no room for more" in ended.err


def open_files(pid: int) -> int:
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def peak_kb(pid: int) -> int:
    """Return how much memory the process has had in RAM at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_thousand_that_come_back_at_once_are_all_let_in(database: str) -> None:
    async with (
        running_broker("--store", database) as broker,
        Shop.on(broker.port) as shop,
    ):
        await crowd_back(broker.port, THOUSAND)
        good(await shop.publish("after them"))
        await shop.check()
        await work_goes_on(broker.port)
