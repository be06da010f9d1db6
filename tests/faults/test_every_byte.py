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
# Bytes of a commit, and of finding out about one; a sweep that ends earlier saw none.
FEWEST = {
    ("sent", False): 150,
    ("sent", True): 500,
    ("answered", False): 30,
    ("answered", True): 30,
}
FEWEST_TO_FIND_OUT = {"sent": 1_500, "answered": 90}

# Of what a connection says from its first byte on. Primes: no field of a message has this length.
STEPS = {"sent": 53, "answered": 11}
CONNECTING = b"client_encoding"
LOST = [{"sent": 0.5}, {"answered": 0.0}]  # the batch is not there, or it is


@pytest.mark.parametrize("beside", [False, True])  # a second block: that is another statement
@pytest.mark.parametrize("way", WAYS)
async def test_a_commit_cut_after_each_byte_is_stored_once(
    database: str, way: str, beside: bool
) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy) as broker, Shop.on(broker.port) as shop:
        good(await shop.publisher.ask("create_topic", topic_name="U"))
        await publish(shop, "the statement is known to the connection", beside=beside)
        for at in count():
            mark = f"cut {at:04}"
            cut = proxy.cut(mark.encode(), at=at, **WAYS[way])
            await publish(shop, mark, beside=beside)
            if not cut.reached:
                break  # the whole commit has come through
        assert at >= FEWEST[way, beside]
        await all_is_stored_once(shop, database, len(shop.stored) if beside else 0)
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
            assert lost.reached
            if not again.reached:
                break
        assert at >= FEWEST_TO_FIND_OUT[way]
        await all_is_stored_once(shop, database)
        await work_goes_on(broker.port)


async def publish(shop: Shop, text: str, *, beside: bool) -> None:
    """Publish to T, and to U in the same packet where something is to be `beside`."""
    if beside:
        shop.send("beside", "U")
    shop.send(text)
    for answer in await shop.publisher.read_many(2 if beside else 1):
        good(answer)
    shop.stored.append(text)


async def all_is_stored_once(shop: Shop, database: str, beside: int = 0) -> None:
    """What was acknowledged is in the store once, in order, without a gap, and was delivered.

    And `beside` messages of the other topic.
    """
    await shop.check()
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT topic, seq, message #>> '{}' FROM messages WHERE topic IN ('T', 'U')"
            " ORDER BY topic, seq"
        )
    finally:
        await connection.close()
    wanted = [("T", *one) for one in enumerate(shop.stored, 1)]
    assert [*map(tuple, rows)] == [*wanted, *(("U", seq + 1, "beside") for seq in range(beside))]
