"""What every store promises, shown on each of them."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from broker.store.errors import BatchOutdated, StoreLost, StoreRefused, Superseded
from broker.store.interface import (
    Account,
    Batch,
    Credentials,
    CursorMove,
    NewBlock,
    ProducerMark,
    Store,
    StoredBlock,
    TopicRecord,
)
from broker.store.jetstream import JetStreamStore
from broker.store.postgres import PostgresStore
from protocol.frames import encode_bodies, split_bodies
from protocol.names import Role
from tests.doubles.memory_store import MemoryStore
from tests.doubles.relay import Relay

KINDS = ["memory", "postgres", "postgres alone", "jetstream"]
PLENTY = 2**20

T = TypeVar("T")

_batch_ids = count(1)


@pytest.fixture(params=KINDS)
def closed_store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "jetstream":
        return JetStreamStore(request.getfixturevalue("jetstream"))
    alone = request.param == "postgres alone"
    return PostgresStore(request.getfixturevalue("database"), alone=alone)


@pytest.fixture
async def store(closed_store: Store) -> AsyncIterator[Store]:
    await closed_store.open()
    yield closed_store
    await closed_store.close()


@pytest.fixture
async def shop(store: Store) -> Account:
    return await made(store, "shop@b.c", Role.PUBLISHER)


@pytest.fixture
async def depot(store: Store) -> Account:
    return await made(store, "depot@b.c", Role.PUBLISHER)


@pytest.fixture
async def ann(store: Store) -> Account:
    return await made(store, "ann@b.c", Role.SUBSCRIBER)


@pytest.fixture
async def bob(store: Store) -> Account:
    return await made(store, "bob@b.c", Role.SUBSCRIBER)


@pytest.fixture
async def orders(store: Store, shop: Account) -> TopicRecord:
    return await made_topic(store, "ORDERS", shop)


@pytest.fixture
async def stock(store: Store, shop: Account, orders: TopicRecord) -> TopicRecord:
    return await made_topic(store, "STOCK", shop)


async def made(store: Store, email: str, role: Role) -> Account:
    account = await store.create_account(email, role)
    assert account is not None
    return account


async def made_topic(store: Store, name: str, creator: Account) -> TopicRecord:
    topic = await store.create_topic(name, creator.id)
    assert topic is not None
    return topic


def block(topic: TopicRecord, publisher: Account, *messages: str) -> NewBlock:
    return NewBlock(topic.id, len(messages), [publisher.id], encode_bodies(messages))


def batch(*blocks: NewBlock, heads: dict[int, int] | None = None, **more: ProducerMark) -> Batch:
    known = {one.topic_id: 0 for one in blocks} | (heads or {})
    return Batch(next(_batch_ids), blocks, known, [*more.values()])


async def append(store: Store, *blocks: NewBlock) -> list[int]:
    return [*(await store.append(batch(*blocks))).first_seqs]


async def read(
    store: Store, topic: TopicRecord, seq: int = 1, limit_bytes: int = PLENTY
) -> dict[int, bytes]:
    """Return the bodies by seq, having checked that no seq is missing in between."""
    found: dict[int, bytes] = {}
    for one in await store.read(topic.id, seq, limit_bytes):
        lines = split_bodies(one.bodies)
        assert len(lines) == one.count
        assert not found or one.first_seq == max(found) + 1
        found |= dict(enumerate(lines, one.first_seq))
    return found


# accounts


async def test_a_password_is_kept_with_its_account_and_replaced(store: Store) -> None:
    bob = await store.create_account("bob@b.c", Role.PUBLISHER)
    eve = await store.create_account("eve@b.c", Role.SUBSCRIBER, "hash 1")
    assert bob is not None
    assert eve is not None
    assert await store.credentials("bob@b.c") == Credentials(bob, None)
    assert await store.credentials("eve@b.c") == Credentials(eve, "hash 1")
    assert await store.credentials("nobody@b.c") is None
    assert await store.create_account("eve@b.c", Role.SUBSCRIBER, "hash 2") is None
    await store.set_password(eve.id, "hash 3")
    assert await store.credentials("eve@b.c") == Credentials(eve, "hash 3")
    assert await store.credentials("bob@b.c") == Credentials(bob, None)
    assert "hash" not in repr(await store.credentials("eve@b.c")).replace("password_hash", "")


async def test_an_account_is_found_as_it_was_created(store: Store) -> None:
    ann = await made(store, "ann@b.c", Role.SUBSCRIBER)
    shop = await made(store, "shop@b.c", Role.PUBLISHER)
    assert (ann.email, ann.role, shop.role) == ("ann@b.c", Role.SUBSCRIBER, Role.PUBLISHER)
    assert ann.id != shop.id
    assert await store.find_account("ann@b.c") == ann
    assert await store.find_account("shop@b.c") == shop


async def test_an_email_has_one_account(store: Store, ann: Account) -> None:
    assert await store.create_account("ann@b.c", Role.PUBLISHER) is None
    assert await store.find_account("ann@b.c") == ann


async def test_an_account_that_was_not_created_is_not_found(store: Store, ann: Account) -> None:
    assert await store.find_account("an@b.c") is None


async def test_accounts_outlive_the_store_that_made_them(closed_store: Store) -> None:
    await closed_store.open()
    ann = await made(closed_store, "ann@b.c", Role.SUBSCRIBER)
    await closed_store.close()
    await closed_store.open()
    assert await closed_store.find_account("ann@b.c") == ann
    await closed_store.close()


# topics


async def test_topics_come_oldest_first(store: Store, shop: Account) -> None:
    names = ["Z", "a", "M", "z", "ünïcode", 'with "quotes"']
    made = [await made_topic(store, name, shop) for name in names]
    assert [topic.name for topic in made] == names
    assert await store.topics() == made


async def test_a_new_topic_has_no_message_and_the_time_it_was_made(
    store: Store, orders: TopicRecord
) -> None:
    assert orders.head == 0
    assert abs(datetime.now(UTC) - orders.created_at) < timedelta(minutes=1)
    assert await store.read(orders.id, 1, PLENTY) == []


async def test_a_name_has_one_topic(store: Store, orders: TopicRecord, shop: Account) -> None:
    assert await store.create_topic("ORDERS", shop.id) is None
    assert await store.topics() == [orders]
    assert await store.create_topic("orders", shop.id) is not None


async def test_the_catalogue_of_a_new_store_is_empty(store: Store) -> None:
    assert await store.topics() == []
    assert await store.summaries() == []


# the log


async def test_seqs_begin_at_one_and_have_no_gap(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    assert await append(store, block(orders, shop, "a", "b")) == [1]
    assert await append(store, block(orders, shop, "c")) == [3]
    assert await append(store, block(orders, shop, "d", "e")) == [4]
    assert [topic.head for topic in await store.topics()] == [5]
    assert await read(store, orders) == dict(enumerate(split_bodies(encode_bodies("abcde")), 1))


async def test_a_batch_may_hold_several_blocks_of_several_topics(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    await append(store, block(orders, shop, "a"))
    first_seqs = await append(
        store,
        block(stock, shop, "1", "2"),
        block(orders, shop, "b", "c", "d"),
        block(stock, shop, "3"),
        block(orders, shop, "e"),
        block(stock, shop, "4", "5"),
    )
    assert first_seqs == [1, 2, 3, 5, 4]
    assert [topic.head for topic in await store.topics()] == [5, 5]
    assert b"".join((await read(store, orders)).values()) == encode_bodies("abcde")
    assert b"".join((await read(store, stock)).values()) == encode_bodies("12345")


async def test_blocks_are_read_as_they_were_appended(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    bodies = encode_bodies(["", "\n", "\0", "ü€😀", '"\\', "x" * 100_000])
    commit = await store.append(batch(NewBlock(orders.id, 6, [shop.id], bodies)))
    assert await store.read(orders.id, 1, PLENTY) == [
        StoredBlock(1, 6, ("shop@b.c",), commit.committed_at, bodies)
    ]


async def test_the_commit_time_is_the_same_for_all_of_a_batch(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    commit = await store.append(
        batch(block(orders, shop, "a"), block(orders, shop, "b"), block(stock, shop, "1"))
    )
    assert abs(datetime.now(UTC) - commit.committed_at) < timedelta(minutes=1)
    blocks = await store.read(orders.id, 1, PLENTY) + await store.read(stock.id, 1, PLENTY)
    assert {one.committed_at for one in blocks} == {commit.committed_at}


async def test_publishers_are_one_for_the_block_or_one_per_message(
    store: Store, orders: TopicRecord, shop: Account, depot: Account
) -> None:
    mixed = NewBlock(orders.id, 3, [shop.id, depot.id, shop.id], encode_bodies("abc"))
    await append(store, block(orders, shop, "-"), mixed, block(orders, depot, "d", "e"))
    assert [one.publishers for one in await store.read(orders.id, 1, PLENTY)] == [
        ("shop@b.c",),
        ("shop@b.c", "depot@b.c", "shop@b.c"),
        ("depot@b.c",),
    ]


async def test_reading_from_the_middle_of_a_block_gives_the_whole_block(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    await append(store, block(orders, shop, "a", "b", "c"))
    await append(store, block(orders, shop, "d", "e"))
    for seq, first_seqs in {1: [1, 4], 2: [1, 4], 3: [1, 4], 4: [4], 5: [4], 6: []}.items():
        blocks = await store.read(orders.id, seq, PLENTY)
        assert [one.first_seq for one in blocks] == first_seqs, seq


async def test_a_read_stops_at_its_bound_but_gives_at_least_one(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    for letter in "abcd":
        await append(store, block(orders, shop, letter * 1_000))
    size = 1_003  # of a body: its quotes and its newline count
    for limit, expected in {1: 1, size: 1, size + 1: 2, 2 * size: 2, 3 * size: 3}.items():
        assert [*await read(store, orders, 2, limit)] == [*range(2, 2 + expected)], limit


async def test_topics_do_not_mix(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    await append(store, block(orders, shop, "a"))
    assert await store.read(stock.id, 1, PLENTY) == []
    await append(store, block(stock, shop, "1"))
    assert await read(store, orders) == {1: b'"a"\n'}
    assert await read(store, stock) == {1: b'"1"\n'}


async def test_a_batch_that_was_stored_is_found(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    await append(store, block(orders, shop, "a"))
    wanted = batch(
        block(stock, shop, "1"),
        block(orders, shop, "b", "c"),
        block(orders, shop, "d"),
        heads={orders.id: 1, stock.id: 0},
    )
    commit = await store.append(wanted)
    await append(store, block(orders, shop, "e"))
    found = await store.find_commit(wanted)
    assert found is not None
    assert [*found.first_seqs] == [*commit.first_seqs] == [1, 2, 4]
    assert found.committed_at == commit.committed_at


async def test_a_batch_that_was_not_stored_is_not_found(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    await append(store, block(orders, shop, "a"))
    assert await store.find_commit(batch(block(orders, shop, "b"))) is None
    assert await read(store, orders) == {1: b'"a"\n'}


# producers


async def test_a_new_producer_has_come_to_nothing(store: Store, shop: Account) -> None:
    mark = await store.begin_producer(shop.id, "till 1")
    assert mark is not None
    assert mark == ProducerMark(shop.id, "till 1", 0, epoch=mark.epoch)


async def test_a_producer_of_no_account_cannot_begin(store: Store, shop: Account) -> None:
    assert await store.begin_producer(shop.id + 1, "till 1") is None


async def test_producers_are_remembered_together_with_their_messages(
    store: Store, orders: TopicRecord, shop: Account, depot: Account
) -> None:
    marks = [
        await come_to(store, shop, "till 1", 7, (2, 5)),
        await come_to(store, shop, "till 2", 3),
        await come_to(store, depot, "till 1", 2**63 - 1, (1, 1)),
    ]
    await store.append(Batch(next(_batch_ids), [block(orders, shop, "a")], {orders.id: 0}, marks))
    for mark in marks:
        assert await begun_again(store, mark) == mark
    assert await begun_again(store, ProducerMark(depot.id, "till 2", 0, epoch=0)) == ProducerMark(
        depot.id, "till 2", 0, epoch=0
    )


async def test_a_newer_mark_takes_the_place_of_the_older(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    older = await come_to(store, shop, "p", 7, (2, 5))
    newer = replace(older, last_id=9, refused=(8, 8))
    await store.append(batch(block(orders, shop, "a"), mark=older))
    await store.append(batch(block(orders, shop, "b"), mark=newer))
    assert await begun_again(store, newer) == newer


async def test_a_mark_is_that_of_its_producer_alone(
    store: Store, orders: TopicRecord, shop: Account, depot: Account
) -> None:
    others = [
        await come_to(store, shop, "till 2", 3),
        await come_to(store, depot, "till 1", 4, (1, 1)),
    ]
    for mark in [*others, await come_to(store, shop, "till 1", 7)]:
        await store.append(batch(block(orders, shop, "a"), mark=mark))
    for mark in others:
        assert await begun_again(store, mark) == mark


@pytest.mark.parametrize("beside", [True, False])  # something that could be stored
async def test_nothing_of_an_older_session_of_a_producer_is_stored(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account, beside: bool
) -> None:
    older = await come_to(store, shop, "p", 1)
    await store.append(batch(block(orders, shop, "a"), mark=older))
    newer = await come_to(store, shop, "p", 2)
    blocks = [block(orders, shop, "b"), *([block(stock, shop, "c")] if beside else [])]
    late = batch(*blocks, mark=replace(older, last_id=2))
    with pytest.raises(BatchOutdated) as outdated:
        await store.append(late)
    assert outdated.value.producers == {(shop.id, "p")}
    assert outdated.value.topics == frozenset()
    assert await read(store, stock) == {}
    await store.append(batch(block(orders, shop, "B"), mark=newer))
    assert await read(store, orders) == {1: b'"a"\n', 2: b'"B"\n'}
    assert await begun_again(store, newer) == newer


@pytest.mark.parametrize("beside", [True, False])  # something that could be stored
async def test_nothing_is_stored_of_a_batch_one_of_whose_topics_is_gone(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account, beside: bool
) -> None:
    await store.delete_topic(orders.id)
    mark = await come_to(store, shop, "p", 1)
    blocks = [block(orders, shop, "a"), *([block(stock, shop, "b")] if beside else [])]
    with pytest.raises(BatchOutdated) as outdated:
        await store.append(batch(*blocks, mark=mark))
    assert outdated.value.topics == {orders.id}
    assert outdated.value.producers == frozenset()
    assert await read(store, stock) == {}
    assert await append(store, block(stock, shop, "b")) == [1]
    assert await begun_again(store, mark) == replace(mark, last_id=0)


async def come_to(
    store: Store, account: Account, producer: str, last_id: int, refused: tuple[int, ...] = ()
) -> ProducerMark:
    """Begin a session of the producer; return the mark that it stores with its next message."""
    mark = await store.begin_producer(account.id, producer)
    assert mark is not None
    return replace(mark, last_id=last_id, refused=refused)


async def begun_again(store: Store, mark: ProducerMark) -> ProducerMark:
    """Return how far the producer of `mark` has come, which its next session is told."""
    again = await store.begin_producer(mark.account_id, mark.producer)
    assert again is not None
    assert again.epoch > mark.epoch
    return replace(again, epoch=mark.epoch)


# subscriptions and cursors


async def test_subscriptions_come_oldest_topic_first(
    store: Store, orders: TopicRecord, stock: TopicRecord, ann: Account, bob: Account
) -> None:
    await subscribe(store, ann, stock, 0)
    await subscribe(store, ann, orders, 0)
    await subscribe(store, bob, stock, 0)
    assert [one.topic for one in await store.subscriptions(ann.id)] == [orders, stock]
    assert [one.topic for one in await store.subscriptions(bob.id)] == [stock]


async def test_a_subscription_tells_its_cursor_and_the_head_of_its_topic(
    store: Store, orders: TopicRecord, shop: Account, ann: Account
) -> None:
    await append(store, block(orders, shop, "a", "b", "c"))
    await subscribe(store, ann, orders, 2)
    (found,) = await store.subscriptions(ann.id)
    assert (found.cursor, found.topic.head) == (2, 3)


async def test_subscribing_again_puts_the_cursor_anywhere(
    store: Store, orders: TopicRecord, shop: Account, ann: Account
) -> None:
    await append(store, block(orders, shop, "a", "b", "c"))
    for cursor in (3, 0, 2):
        await subscribe(store, ann, orders, cursor)
        assert await cursors(store, ann) == {"ORDERS": cursor}


async def test_unsubscribing_takes_the_subscription_away_once(
    store: Store, orders: TopicRecord, stock: TopicRecord, ann: Account, bob: Account
) -> None:
    for account in (ann, bob):
        for topic in (orders, stock):
            await subscribe(store, account, topic, 0)
    epoch = await session(store, ann)
    assert await store.unsubscribe(ann.id, orders.id, epoch) is True
    assert await store.unsubscribe(ann.id, orders.id, epoch) is False
    assert await cursors(store, ann) == {"STOCK": 0}
    assert await cursors(store, bob) == {"ORDERS": 0, "STOCK": 0}


async def test_cursors_move_forward_and_never_back(
    store: Store, orders: TopicRecord, stock: TopicRecord, ann: Account, bob: Account
) -> None:
    for account in (ann, bob):
        for topic in (orders, stock):
            await subscribe(store, account, topic, 5)
    await save(store, (ann, orders, 9), (ann, stock, 4), (bob, stock, 6))
    assert await cursors(store, ann) == {"ORDERS": 9, "STOCK": 5}
    assert await cursors(store, bob) == {"ORDERS": 5, "STOCK": 6}


async def test_saving_the_cursor_of_no_subscription_makes_none(
    store: Store, orders: TopicRecord, ann: Account
) -> None:
    await save(store, (ann, orders, 9))
    assert await store.subscriptions(ann.id) == []


async def test_each_session_has_a_higher_epoch_than_those_before(
    store: Store, ann: Account, bob: Account
) -> None:
    epochs = [await session(store, ann) for _ in range(3)]
    assert epochs == sorted(set(epochs))
    assert await store.begin_session(ann.id + bob.id + 1) is None


async def test_an_older_session_changes_nothing(
    store: Store, orders: TopicRecord, stock: TopicRecord, ann: Account, bob: Account
) -> None:
    older = await subscribe(store, ann, orders, 5)
    await subscribe(store, bob, orders, 5)
    newer = await session(store, ann)
    with pytest.raises(Superseded):
        await store.subscribe(ann.id, orders.id, 0, older)
    with pytest.raises(Superseded):
        await store.subscribe(ann.id, stock.id, 0, older)
    with pytest.raises(Superseded):
        await store.unsubscribe(ann.id, orders.id, older)
    bobs = await session(store, bob)
    late = CursorMove(ann.id, orders.id, 9, older)
    assert await store.save_cursors([late, CursorMove(bob.id, orders.id, 6, bobs)]) == [late]
    assert await cursors(store, ann) == {"ORDERS": 5}
    assert await cursors(store, bob) == {"ORDERS": 6}
    assert await store.save_cursors([CursorMove(ann.id, orders.id, 7, newer)]) == []
    assert await cursors(store, ann) == {"ORDERS": 7}


async def test_a_topic_that_is_gone_cannot_be_subscribed_to(
    store: Store, orders: TopicRecord, ann: Account
) -> None:
    await store.delete_topic(orders.id)
    with pytest.raises(StoreRefused):
        await subscribe(store, ann, orders, 0)


async def session(store: Store, account: Account) -> int:
    epoch = await store.begin_session(account.id)
    assert epoch is not None
    return epoch


async def subscribe(store: Store, account: Account, topic: TopicRecord, cursor: int) -> int:
    """Subscribe in a session of its own, and return that one's epoch."""
    epoch = await session(store, account)
    await store.subscribe(account.id, topic.id, cursor, epoch)
    return epoch


async def save(store: Store, *moves: tuple[Account, TopicRecord, int]) -> None:
    epochs = {account.id: await session(store, account) for account, _, _ in moves}
    moved = [
        CursorMove(account.id, topic.id, seq, epochs[account.id]) for account, topic, seq in moves
    ]
    assert await store.save_cursors(moved) == []


async def cursors(store: Store, account: Account) -> dict[str, int]:
    return {one.topic.name: one.cursor for one in await store.subscriptions(account.id)}


# what subscriptions say of a topic


async def test_receipts_count_the_cursors_at_or_past_a_seq(
    store: Store, orders: TopicRecord, stock: TopicRecord, ann: Account, bob: Account
) -> None:
    assert await store.receipts(orders.id, 1) == (0, 0)
    await subscribe(store, ann, orders, 3)
    await subscribe(store, bob, orders, 5)
    await subscribe(store, bob, stock, 9)
    assert [await store.receipts(orders.id, seq) for seq in (0, 3, 4, 5, 6)] == [
        (2, 2),
        (2, 2),
        (1, 2),
        (1, 2),
        (0, 2),
    ]


async def test_a_summary_adds_up_what_is_unread(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account, ann: Account, bob: Account
) -> None:
    await append(store, block(orders, shop, "a"))
    newest = await store.append(batch(block(orders, shop, "b", "c"), block(orders, shop, "d")))
    for account, topic, cursor in [(ann, orders, 1), (bob, orders, 4), (bob, stock, 0)]:
        await subscribe(store, account, topic, cursor)
    first, second = await store.summaries()
    assert (first.record.name, first.record.head, first.published_at) == (
        "ORDERS",
        4,
        newest.committed_at,
    )
    assert (first.subscribers, first.behind, first.unread) == (2, 1, 3)
    assert (second.record, second.published_at) == (stock, None)
    assert (second.subscribers, second.behind, second.unread) == (1, 0, 0)


async def test_a_summary_says_since_when_the_oldest_unread_message_waits(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account, ann: Account, bob: Account
) -> None:
    commits = [await store.append(batch(block(orders, shop, *"abc"))) for _ in range(3)]
    for cursor, waiting in [(0, 0), (2, 0), (3, 1), (4, 1), (6, 2), (8, 2)]:
        await subscribe(store, ann, orders, cursor)
        await subscribe(store, bob, orders, 9)
        await subscribe(store, bob, stock, 0)
        first, second = await store.summaries()
        assert (first.unread_since, second.unread_since) == (commits[waiting].committed_at, None)
    await subscribe(store, ann, orders, 9)
    assert (await store.summaries())[0].unread_since is None


# a store that is lost


StoreAndFault = tuple[Store, Callable[[int], None]]


@pytest.fixture(params=KINDS)
def url_if_any(request: pytest.FixtureRequest) -> str | None:
    fixtures = {"postgres": "database", "jetstream": "jetstream"}
    return request.getfixturevalue(fixtures[request.param]) if request.param in fixtures else None


@pytest.fixture
async def store_and_fault(url_if_any: str | None) -> AsyncIterator[StoreAndFault]:
    """A store, and what lets it store the next batch, of so many blocks, but lose the answer."""
    if url_if_any is None:
        memory = MemoryStore()
        yield memory, lambda _: memory.lose_answer()
        return
    url = urlsplit(url_if_any)
    nats = url.scheme == "nats"
    relay = Relay(
        lambda: (
            asyncio.open_connection(url.hostname, url.port)
            if nats
            else asyncio.open_unix_connection(socket_of(url_if_any))
        )
    )
    async with relay.listening() as port:
        store: Store
        if nats:
            store = JetStreamStore(f"nats://127.0.0.1:{port}?{url.query}")
        else:
            store = PostgresStore(
                f"postgresql://{url.netloc}127.0.0.1:{port}{url.path}?sslmode=disable"
            )
        await store.open()
        # In JetStream a block is a message, which has an answer of its own.
        yield (
            store,
            lambda blocks: relay.lose_answer(*((b"_topic_", blocks) if nats else (b"INSERT",))),
        )
        await store.close()


def socket_of(url: str) -> str:
    query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    return os.path.join(query["host"], f".s.PGSQL.{query['port']}")


async def test_a_batch_whose_answer_was_lost_is_stored_once_when_it_is_given_again(
    store_and_fault: StoreAndFault,
) -> None:
    store, lose_answer = store_and_fault
    shop = await made(store, "shop@b.c", Role.PUBLISHER)
    orders = await made_topic(store, "ORDERS", shop)
    await append(store, block(orders, shop, "a"))
    mark = await come_to(store, shop, "p", 1)
    wanted = batch(
        block(orders, shop, "b", "c"), block(orders, shop, "d"), heads={orders.id: 1}, mark=mark
    )
    lose_answer(2)
    with pytest.raises(StoreLost):
        await store.append(wanted)
    assert len(await read(store, orders)) == 4
    commit = await in_the_end(lambda: store.append(wanted))
    assert [*commit.first_seqs] == [2, 4]
    assert await append(store, block(orders, shop, "e")) == [5]
    assert b"".join((await read(store, orders)).values()) == encode_bodies("abcde")
    assert await begun_again(store, mark) == mark


async def test_a_batch_whose_answer_was_lost_can_be_looked_for_instead(
    store_and_fault: StoreAndFault,
) -> None:
    store, lose_answer = store_and_fault
    shop = await made(store, "shop@b.c", Role.PUBLISHER)
    orders = await made_topic(store, "ORDERS", shop)
    await append(store, block(orders, shop, "a"))
    wanted = batch(block(orders, shop, "b", "c"), heads={orders.id: 1})
    lose_answer(1)
    with pytest.raises(StoreLost):
        await store.append(wanted)
    found = await in_the_end(lambda: store.find_commit(wanted))
    assert found is not None
    assert [*found.first_seqs] == [2]
    assert len(await read(store, orders)) == 3


async def test_a_batch_that_may_have_been_taken_out_is_not_stored_again(
    store_and_fault: StoreAndFault, url_if_any: str | None
) -> None:
    store, lose_answer = store_and_fault
    if url_if_any is None:
        pytest.skip("a store in memory knows all batches that it ever stored")
    shop = await made(store, "shop@b.c", Role.PUBLISHER)
    orders = await made_topic(store, "ORDERS", shop)
    await append(store, block(orders, shop, "first"))
    mark = await come_to(store, shop, "p", 1)
    wanted = batch(block(orders, shop, "a"), heads={orders.id: 1}, mark=mark)
    lose_answer(1)
    with pytest.raises(StoreLost):
        await store.append(wanted)
    kind = JetStreamStore if url_if_any.startswith("nats:") else PostgresStore
    other: Store = kind(url_if_any)
    await other.open()
    assert await append(other, block(orders, shop, "b")) == [3]
    await take_out(other, orders.id, 2)
    await other.close()
    with pytest.raises(StoreRefused, match="taken"):
        await in_the_end(lambda: store.append(wanted))
    assert await append(store, block(orders, shop, "c")) == [4]
    assert b"".join((await read(store, orders)).values()) == encode_bodies("bc")
    assert await begun_again(store, mark) == mark  # who resends it learns that it is there


async def in_the_end(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the store answers again."""
    while True:
        try:
            return await ask()
        except StoreLost:
            continue


# what is taken out


async def take_out(store: Store, topic_id: int, up_to: int) -> list[int]:
    """Take out until nothing is left to; return the tails on the way."""
    tails = []
    while (tail := await store.take_out(topic_id, up_to)) is not None:
        tails.append(tail)
    return tails


async def test_blocks_go_from_the_oldest_on_and_the_tail_with_them(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    for messages in ("ab", "c", "def"):
        await append(store, block(orders, shop, *messages), block(stock, shop, *messages))
    assert (await take_out(store, orders.id, 3))[-1] == 3
    assert [*await read(store, orders)] == [4, 5, 6]
    assert len(await read(store, stock)) == 6
    assert [(one.tail, one.head) for one in await store.topics()] == [(3, 6), (0, 6)]
    assert await append(store, block(orders, shop, "g")) == [7]


async def test_a_block_goes_as_a_whole_or_not_at_all(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    await append(store, block(orders, shop, "a", "b"))
    await append(store, block(orders, shop, "c", "d"))
    assert await store.take_out(orders.id, 1) is None
    assert (await take_out(store, orders.id, 3))[-1] == 2
    assert [*await read(store, orders)] == [3, 4]


async def test_nothing_is_taken_out_of_what_is_empty_or_not_there(
    store: Store, orders: TopicRecord
) -> None:
    assert await store.take_out(orders.id, 9) is None
    assert await store.take_out(orders.id + 999, 9) is None


async def test_a_topic_that_is_empty_again_goes_on_with_its_seqs(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    await append(store, block(orders, shop, "a", "b"))
    await take_out(store, orders.id, 2)
    assert await store.read(orders.id, 1, PLENTY) == []
    assert [(one.tail, one.head) for one in await store.topics()] == [(2, 2)]
    assert await append(store, block(orders, shop, "c")) == [3]
    assert await read(store, orders) == {3: b'"c"\n'}


async def test_what_is_older_than_wanted_is_found(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    assert await store.expired(0.0, None) == []
    await append(store, block(orders, shop, "a", "b"))
    await append(store, block(orders, shop, "c"))
    await append(store, block(stock, shop, "1"))
    assert await store.expired(None, None) == []
    assert await store.expired(3_600.0, None) == []
    assert sorted(await store.expired(0.0, None)) == [(orders.id, 3), (stock.id, 1)]
    await take_out(store, orders.id, 3)
    assert await store.expired(0.0, None) == [(stock.id, 1)]


async def test_what_is_more_than_wanted_is_found_topic_by_topic(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    for letter in "abcd":
        await append(store, block(orders, shop, letter * 997))  # 1,000 bytes of body
    await append(store, block(stock, shop, "1"))
    for limit, expected in {4_000: [], 3_999: [(orders.id, 1)], 2_000: [(orders.id, 2)]}.items():
        assert await store.expired(None, limit) == expected, limit
    await take_out(store, orders.id, 2)
    assert await store.expired(None, 2_000) == []
    assert [*await read(store, orders)] == [3, 4]
    assert await store.expired(None, 2_000) == []
    await append(store, block(stock, shop, "2"), block(orders, shop, "e"))
    assert await store.expired(None, 2_000) == [(orders.id, 3)]


async def test_the_newest_commit_is_never_more_than_wanted(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    await append(store, block(orders, shop, "a"))
    await append(store, block(orders, shop, "b", "c"), block(orders, shop, "d"))
    assert await store.expired(None, 1) == [(orders.id, 1)]
    await take_out(store, orders.id, 1)
    assert await store.expired(None, 1) == []


async def test_of_two_bounds_the_one_that_takes_more_counts(
    store: Store, orders: TopicRecord, shop: Account
) -> None:
    for letter in "abc":
        await append(store, block(orders, shop, letter))
    assert await store.expired(3_600.0, 5) == [(orders.id, 2)]
    assert await store.expired(0.0, 5) == [(orders.id, 3)]


async def test_what_was_taken_out_is_not_unread(
    store: Store, orders: TopicRecord, shop: Account, ann: Account, bob: Account
) -> None:
    await append(store, block(orders, shop, "a", "b", "c"))
    await append(store, block(orders, shop, "d", "e"))
    await subscribe(store, ann, orders, 1)
    await subscribe(store, bob, orders, 4)
    await take_out(store, orders.id, 3)
    (summary,) = await store.summaries()
    assert (summary.record.tail, summary.behind, summary.unread) == (3, 2, 2 + 1)
    (found,) = await store.subscriptions(ann.id)
    assert (found.cursor, found.topic.tail, found.topic.head) == (1, 3, 5)
    await take_out(store, orders.id, 5)
    (summary,) = await store.summaries()
    assert (summary.behind, summary.unread, summary.published_at) == (0, 0, None)


async def test_a_topic_tells_who_made_it(store: Store, shop: Account, depot: Account) -> None:
    await made_topic(store, "ORDERS", shop)
    await made_topic(store, "STOCK", depot)
    assert [one.creator_id for one in await store.topics()] == [shop.id, depot.id]
    assert [one.record.creator_id for one in await store.summaries()] == [shop.id, depot.id]


async def test_a_deleted_topic_leaves_nothing_behind(
    store: Store, orders: TopicRecord, stock: TopicRecord, shop: Account, ann: Account
) -> None:
    mark = await come_to(store, shop, "p", 1)
    await store.append(batch(block(orders, shop, "a"), block(stock, shop, "1"), mark=mark))
    await subscribe(store, ann, orders, 0)
    await subscribe(store, ann, stock, 0)
    await store.delete_topic(orders.id)
    await store.delete_topic(orders.id)  # a repeat is harmless
    assert [one.name for one in await store.topics()] == ["STOCK"]
    assert await store.read(orders.id, 1, PLENTY) == []
    assert await cursors(store, ann) == {"STOCK": 0}
    assert await begun_again(store, mark) == mark
    assert await append(store, block(stock, shop, "2")) == [2]


async def test_a_topic_of_a_deleted_ones_name_begins_anew(
    store: Store, orders: TopicRecord, shop: Account, ann: Account
) -> None:
    await append(store, block(orders, shop, "a", "b"))
    await store.delete_topic(orders.id)
    again = await made_topic(store, "ORDERS", shop)
    assert again.id != orders.id
    assert await store.read(again.id, 1, PLENTY) == []
    assert await append(store, block(again, shop, "c")) == [1]


async def test_a_deleted_account_is_not_there_and_its_messages_are_nobodys(
    store: Store, orders: TopicRecord, shop: Account, depot: Account
) -> None:
    await append(store, NewBlock(orders.id, 2, [shop.id, depot.id], encode_bodies("ab")))
    mark = await come_to(store, shop, "p", 7)
    await store.append(batch(block(orders, shop, "c"), mark=mark))
    assert await read(store, orders)  # who published is known by now
    await store.delete_account(shop.id)
    await store.delete_account(shop.id)  # a repeat is harmless
    assert await store.find_account("shop@b.c") is None
    found = await store.read(orders.id, 1, PLENTY)
    assert [one.publishers for one in found] == [("", "depot@b.c"), ("",)]
    assert [one.creator_id for one in await store.topics()] == [None]
    assert await store.begin_producer(shop.id, "p") is None


async def test_a_deleted_accounts_subscriptions_are_gone_and_others_stay(
    store: Store, orders: TopicRecord, ann: Account, bob: Account
) -> None:
    await subscribe(store, ann, orders, 0)
    await subscribe(store, bob, orders, 0)
    await store.delete_account(ann.id)
    assert await store.receipts(orders.id, 0) == (1, 1)
    again = await made(store, "ann@b.c", Role.PUBLISHER)
    assert again.id != ann.id
    assert await store.subscriptions(again.id) == []
