"""What is in the store before a broker is started on it: made with SQL, in seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import asyncpg
import uvloop

from bench.messages import texts
from broker.store.embedded import EmbeddedPostgres
from broker.store.postgres.schema import migrate
from protocol.frames import encode_bodies

BLOCK = 1_000  # messages in each of the blocks that are made

Fill = Callable[[asyncpg.Connection], Awaitable[None]]


def fill(folder: Path, work: Fill) -> None:
    """Do `work` on the database of the data directory `folder`, which is made where missing."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_fill(folder, work))


async def _fill(folder: Path, work: Fill) -> None:
    postgres = EmbeddedPostgres(folder)
    try:
        connection = await asyncpg.connect(**asdict(await postgres.start()))
        await migrate(connection)
        await work(connection)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
    finally:
        await postgres.stop()


async def topics(connection: asyncpg.Connection, prefix: str, number: int) -> None:
    """Make topics whose names `in_turn` returns."""
    names = [in_turn(prefix, place) for place in range(number)]
    await connection.execute("INSERT INTO topics (name) SELECT unnest($1::text[])", names)


def in_turn(prefix: str, place: int) -> str:
    """Return the name of a topic; all names of a prefix are equally long."""
    return f"{prefix}-{place:06d}"


async def topic_with(connection: asyncpg.Connection, topic: str, messages: int) -> None:
    """Make a topic that has so many messages, which all blocks repeat."""
    account = await connection.fetchval(
        "INSERT INTO accounts (email, role) VALUES ($1, 'publisher') RETURNING id",
        f"{topic}@example.com",
    )
    blocks = max(1, messages // BLOCK)
    topic_id = await connection.fetchval(
        "INSERT INTO topics (name, head) VALUES ($1, $2) RETURNING id", topic, blocks * BLOCK
    )
    await connection.execute(
        "INSERT INTO blocks (topic_id, first_seq, count, batch, publishers, bodies)"
        " SELECT $1, one * $2::bigint + 1, $2, one, ARRAY[$3::integer], $4"
        " FROM generate_series(0, $5::integer - 1) one",
        topic_id,
        BLOCK,
        account,
        encode_bodies([*texts(0, BLOCK)]),
        blocks,
        timeout=3_600,
    )


async def subscribed(
    connection: asyncpg.Connection, topic: str, prefix: str, number: int, cursor: int
) -> None:
    """Make accounts `prefix`-1@example.com, ... that are subscribed to `topic`."""
    await connection.execute(
        "WITH made AS (INSERT INTO accounts (email, role)"
        " SELECT $2::text || '-' || one || '@example.com', 'subscriber'"
        " FROM generate_series(1, $3::integer) one RETURNING id)"
        " INSERT INTO subscriptions (account_id, topic_id, cursor)"
        " SELECT made.id, topics.id, $4 FROM made, topics WHERE topics.name = $1",
        topic,
        prefix,
        number,
        cursor,
        timeout=3_600,
    )
