"""The sample data of `sample.sql`, for a store that takes no SQL."""

import json
from collections.abc import Mapping
from itertools import count

from broker.store.interface import Account, Batch, NewBlock, Store
from protocol.names import Role

ACCOUNTS = {
    "orders@example.com": Role.PUBLISHER,
    "weather@example.com": Role.PUBLISHER,
    "news@example.com": Role.PUBLISHER,
    "tientavu@tamu.edu": Role.SUBSCRIBER,
    "sam@example.com": Role.SUBSCRIBER,
}
TOPICS = {  # by whom they were made
    "ORDERS": "orders@example.com",
    "WEATHER": "weather@example.com",
    "NEWS": "news@example.com",
}
BLOCKS = (
    ("ORDERS", ["orders@example.com"], ["order 1: 3 boxes of chalk", "order 2: a lamp"]),
    ("ORDERS", ["orders@example.com"], ["order 1 shipped", '{"order": 2, "state": "packed"}']),
    ("WEATHER", ["weather@example.com"], ["College Station: 31 °C, clear"]),
    (
        "WEATHER",
        ["weather@example.com"],
        ["College Station: 33 °C, a light wind", "Storm warning until 21:00"],
    ),
    (
        "NEWS",
        ["news@example.com", "news@example.com", "orders@example.com"],
        [
            "The library is open until midnight",
            "Room 113 moves to 115",
            "Chalk is back in stock",
        ],
    ),
)
CURSORS = {
    "tientavu@tamu.edu": {"ORDERS": 2, "NEWS": 0},
    "sam@example.com": {"WEATHER": 3, "ORDERS": 4},
}


async def fill(store: Store) -> None:
    """Put the sample data into `store`, which is open and holds nothing.

    Raises:
        StoreError: some of it is there, perhaps.
    """
    accounts = {email: await _account(store, email, role) for email, role in ACCOUNTS.items()}
    topics = {
        name: await _topic(store, name, accounts[creator]) for name, creator in TOPICS.items()
    }
    await _fill_topics(store, topics, accounts)
    for email, cursors in CURSORS.items():
        account_id = accounts[email].id
        epoch = await store.begin_session(account_id)
        assert epoch is not None
        for name, cursor in cursors.items():
            await store.subscribe(account_id, topics[name], cursor, epoch)


async def _account(store: Store, email: str, role: Role) -> Account:
    account = await store.create_account(email, role)
    assert account is not None
    return account


async def _topic(store: Store, name: str, creator: Account) -> int:
    topic = await store.create_topic(name, creator.id)
    assert topic is not None
    return topic.id


async def _fill_topics(
    store: Store, topics: Mapping[str, int], accounts: Mapping[str, Account]
) -> None:
    heads = dict.fromkeys(topics.values(), 0)
    numbers = count(1)
    for name, publishers, texts in BLOCKS:
        topic_id = topics[name]
        ids = [accounts[email].id for email in publishers]
        bodies = "".join(f"{json.dumps(text, ensure_ascii=False)}\n" for text in texts)
        block = NewBlock(topic_id, len(texts), ids, bodies.encode())
        await store.append(Batch(next(numbers), [block], {topic_id: heads[topic_id]}))
        heads[topic_id] += len(texts)
