"""Taking an installation away: all of it, and nothing beside it."""

from broker.store.jetstream import JetStreamStore
from broker.store.jetstream.address import Address
from broker.store.jetstream.connection import Connection
from broker.store.jetstream.erasing import erase
from protocol.names import Role
from tests.nats import NatsServer

OWN = "erased-1"


async def filled(url: str) -> None:
    """Make an installation with a topic in it."""
    store = JetStreamStore(url)
    await store.open()
    account = await store.create_account("bob@example.com", Role.PUBLISHER)
    assert account is not None
    assert await store.create_topic("GARDEN", account.id) is not None
    await store.close()


async def test_an_installation_goes_with_its_topics_and_its_neighbours_stay(
    nats: NatsServer,
) -> None:
    prefixes = [OWN, f"{OWN}0", f"{OWN}_topic", "erased"]
    for prefix in prefixes:
        await filled(f"{nats.url}?prefix={prefix}")
    before = await nats.streams()
    connection = Connection(Address.parse(nats.url), 5.0)
    await connection.open()
    try:
        await erase(connection, OWN, 5.0)
        gone = before - await nats.streams()
        buckets = ("meta", "accounts", "topics", "subscriptions", "producers")
        assert {f"KV_{OWN}_{one}" for one in buckets} < gone
        assert [name for name in gone if not name.startswith((f"KV_{OWN}_", f"{OWN}_topic_"))] == []
        assert len(gone) == len(buckets) + 1
        await erase(connection, OWN, 5.0)  # nothing is left, and that is fine
        assert before - await nats.streams() == gone
    finally:
        await connection.close()
    for prefix in prefixes[1:]:
        store = JetStreamStore(f"{nats.url}?prefix={prefix}")
        await store.open()
        assert [one.name for one in await store.topics()] == ["GARDEN"]
        await store.close()
