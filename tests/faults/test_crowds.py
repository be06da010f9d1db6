"""Very many at once, of whom some want nothing good: whoever is signed in goes on."""

import random

import pytest

from broker import Broker, Settings
from tests.faults.crowds import crowd_back, flood
from tests.faults.proof import work_goes_on
from tests.faults.shop import Shop, good
from tests.patience import until

CROWD = 500


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
