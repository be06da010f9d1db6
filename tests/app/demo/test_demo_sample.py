"""The sample data is the same, whatever store it lies in."""

import asyncpg

from app.demo.sample import ACCOUNTS, fill
from broker.store.interface import Store
from broker.store.jetstream import JetStreamStore
from broker.store.postgres import PostgresStore
from broker.store.postgres.schema import sample_sql


async def told_by(store: Store) -> object:
    """Return all that a store says of the sample data, without ids and times."""
    accounts = [await store.find_account(email) for email in ACCOUNTS]
    assert None not in accounts
    emails = {one.id: one.email for one in accounts if one is not None}
    roles = {one.email: one.role for one in accounts if one is not None}
    topics = await store.topics()
    blocks = [
        (topic.name, block.first_seq, block.count, block.publishers, block.bodies)
        for topic in topics
        for block in await store.read(topic.id, 1, 1_000_000)
    ]
    cursors = {
        (email, one.topic.name, one.cursor)
        for number, email in emails.items()
        for one in await store.subscriptions(number)
    }
    places = [(one.name, one.tail, one.head, emails[one.creator_id or 0]) for one in topics]
    return roles, places, blocks, cursors


async def test_what_is_filled_by_hand_is_what_the_sql_fills(database: str, jetstream: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(sample_sql())
    assert await connection.fetchval("SELECT count(*) FROM accounts") == len(ACCOUNTS)
    await connection.close()
    postgres, other = PostgresStore(database), JetStreamStore(jetstream)
    await postgres.open()
    await other.open()
    try:
        await fill(other)
        assert await told_by(other) == await told_by(postgres)
    finally:
        await postgres.close()
        await other.close()
