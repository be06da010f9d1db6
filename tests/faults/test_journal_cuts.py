"""The connection to PostgreSQL ends anywhere in a commit to many topics, either way.

And in what moves its messages from the journal to blocks.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import asyncpg
import pytest

from broker.store.postgres import PostgresStore, mover
from tests.faults.postgres_proxy import PostgresProxy
from tests.faults.proof import work_goes_on
from tests.faults.shop import good
from tests.faults.test_commit_cuts import broker_behind
from tests.wire import Wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TOPICS = [f"T{number}" for number in range(17)]  # enough for a page of the journal
WAYS = {"sent": {"sent": 1.0}, "answered": {"answered": 1.0}}
FEWEST = {"sent": 1_000, "answered": 30}  # bytes; a sweep that ends earlier saw none
STEPS = {"sent": 23, "answered": 1}  # primes: no field of a message has this length
STEPS_OF_A_MOVE = {"sent": 23, "answered": 7}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other broker comes to the database, and the journal is moved when a test asks for it."""
    monkeypatch.setattr("broker.broker.PostgresStore", partial(PostgresStore, alone=True))
    monkeypatch.setattr(mover, "OLDEST_S", 3_600.0)


class Fair:
    """p@b.c publishes to all of `TOPICS` in turn, and s@b.c is subscribed to one of them."""

    def __init__(self, publisher: Wire, subscriber: Wire) -> None:
        self.publisher, self.subscriber = publisher, subscriber
        self.stored: list[str] = []  # in each topic
        self._id = 0

    @classmethod
    @asynccontextmanager
    async def on(cls, port: int) -> AsyncIterator["Fair"]:
        publisher, subscriber = await Wire.open(port), await Wire.open(port)
        who = {"user_email": "p@b.c", "user_type": "publisher", "producer": "till"}
        good(await publisher.ask("create", version=2, **who))
        for topic in TOPICS:
            good(await publisher.ask("create_topic", topic_name=topic))
        who = {"user_email": "s@b.c", "user_type": "subscriber"}
        good(await subscriber.ask("create", version=2, **who))
        good(await subscriber.ask("subscribe", topic_name=TOPICS[3]))
        yield cls(publisher, subscriber)
        await publisher.close()
        await subscriber.close()

    async def publish(self, text: str) -> None:
        """Publish to each topic in one packet, and see that all is stored and delivered."""
        for topic in TOPICS:
            self._id += 1
            self.publisher.send("publish_msg", topic_name=topic, msg=text, id=self._id)
        self.stored.append(text)
        for answer in await self.publisher.read_many(len(TOPICS)):
            assert good(answer)["seq"] == len(self.stored)
        block = await self.subscriber.read()
        assert (block["seq"], block["messages"]) == (len(self.stored), [text])

    async def moved(self) -> None:
        """Have the journal moved to blocks, which is part of telling of all topics."""
        while (answer := await self.publisher.ask("list_topics"))["action"] == "error":
            assert answer["reason"] == "store_unavailable"
        assert {one["head"] for one in answer["details"]} == {len(self.stored)}

    async def all_is_stored_once(self, database: str) -> None:
        connection = await asyncpg.connect(database)
        try:
            rows = await connection.fetch(
                "SELECT topic, seq, message #>> '{}' FROM messages WHERE topic LIKE 'T%'"
                " ORDER BY substr(topic, 2)::integer, seq"
            )
        finally:
            await connection.close()
        wanted = [(topic, *one) for topic in TOPICS for one in enumerate(self.stored, 1)]
        assert [*map(tuple, rows)] == wanted


@pytest.mark.parametrize("way", WAYS)
async def test_a_commit_to_many_topics_cut_anywhere_is_stored_once(database: str, way: str) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy) as broker, Fair.on(broker.port) as fair:
        await fair.publish("the statement is known to the connection")
        for at in count(step=STEPS[way]):
            mark = f"cut {at:04}"
            cut = proxy.cut(mark.encode(), at=at, **WAYS[way])
            await fair.publish(mark)
            if not cut.reached:
                break  # the whole commit has come through
        assert at >= FEWEST[way]
        await fair.all_is_stored_once(database)
        await fair.moved()
        await fair.all_is_stored_once(database)
        await work_goes_on(broker.port)


@pytest.mark.parametrize("way", WAYS)
async def test_a_move_to_blocks_cut_anywhere_is_made_once(database: str, way: str) -> None:
    proxy = PostgresProxy(database)
    async with broker_behind(proxy) as broker, Fair.on(broker.port) as fair:
        for at in count(step=STEPS_OF_A_MOVE[way]):
            mark = f"cut {at:04}"
            await fair.publish(mark)
            cut = proxy.cut(mark.encode(), at=at, **WAYS[way])
            # Every other time more comes before it is known what has become of the move.
            await fair.publisher.ask("list_topics")
            if not cut.reached:
                break
            if at % 2:
                await fair.publish("meanwhile")
            await fair.moved()
        assert at >= FEWEST[way]
        await fair.all_is_stored_once(database)
        await work_goes_on(broker.port)
