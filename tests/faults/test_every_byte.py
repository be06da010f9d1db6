"""The connection to PostgreSQL ends after each byte of a commit in turn, either way.

And of what a broker says to find out what became of such a commit: it connects, takes the lock,
looks for the batch, and stores it where it is not there.
"""

from itertools import count

import asyncpg
import pytest

from tests.faults.postgres_proxy import PostgresProxy
from tests.faults.proof import work_goes_on
from tests.faults.shop import Shop, good
from tests.faults.test_commit_cuts import broker_behind, brokers

__all__ = ["brokers"]  # each test is for either kind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

WAYS = {"sent": {"sent": 1.0}, "answered": {"answered": 1.0}}
FEWEST = {"sent": 500, "answered": 30}  # bytes of a commit; a sweep that ends earlier saw none

# Of what a connection says from its first byte on. Primes: no field of a message has this length.
STEPS = {"sent": 53, "answered": 11}
CONNECTING = b"client_encoding"
LOST = [{"sent": 0.5}, {"answered": 0.0}]  # the batch is not there, or it is


@pytest.mark.parametrize("way", WAYS)
async def test_a_commit_cut_after_each_byte_is_stored_once(database: str, way: str) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("the statement is known to the connection"))
        for at in count():
            mark = f"cut {at:04}"
            cut = proxy.cut(mark.encode(), at=at, **WAYS[way])
            good(await shop.publish(mark))
            if not cut.done.is_set():
                break  # the whole commit has come through
        assert at >= FEWEST[way]
        await all_is_stored_once(shop, database)
        await work_goes_on(broker.port)


@pytest.mark.parametrize("way", WAYS)
async def test_finding_out_may_be_cut_anywhere_too(database: str, way: str) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy) as broker, Shop.on(broker.port) as shop:
        for at in count(step=STEPS[way]):
            mark = f"cut {at:04}"
            lost = proxy.cut(mark.encode(), **LOST[at % 2])
            again = proxy.cut(CONNECTING, at=at, **WAYS[way])
            good(await shop.publish(mark))
            assert lost.done.is_set()
            if not again.done.is_set():
                break
        assert at >= 3 * FEWEST[way]
        await all_is_stored_once(shop, database)
        await work_goes_on(broker.port)


async def all_is_stored_once(shop: Shop, database: str) -> None:
    """What was acknowledged is in the store once, in order, without a gap, and was delivered."""
    await shop.check()
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT seq, message #>> '{}' AS text FROM messages WHERE topic = 'T' ORDER BY seq"
        )
    finally:
        await connection.close()
    assert [(row["seq"], row["text"]) for row in rows] == [*enumerate(shop.stored, 1)]
