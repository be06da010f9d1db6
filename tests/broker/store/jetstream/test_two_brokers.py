"""Two brokers append to the same streams, and take producers and sessions over from each other."""

import asyncio
from dataclasses import replace

import pytest

from broker.store.errors import BatchOutdated, StoreLost, StoreRefused, Superseded
from broker.store.interface import Account, Batch, CursorMove, TopicRecord
from broker.store.jetstream.record import HEADER
from broker.store.jetstream.streams import Message, Streams, WrongLast
from protocol.names import Role
from tests.broker.store.jetstream.conftest import Side, batch, block


async def abandon(store: Side) -> None:
    """Leave the store as a broker does that is killed: nothing is brought up to date."""
    await store._abandon()


# appending


async def test_seqs_have_no_gap_whoever_appends(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    async def append(store: Side, name: str) -> dict[int, str]:
        found: dict[int, str] = {}
        for number in range(30):
            texts = [f"{name}{number}.{place}" for place in range(1 + number % 3)]
            (first,) = await store.put(block(orders, shop, *texts))
            found |= dict(enumerate(texts, first))
        return found

    ours, others = await asyncio.gather(append(one, "a"), append(other, "b"))
    assert not ours.keys() & others.keys()
    assert await one.texts(orders) == dict(sorted((ours | others).items()))
    assert await other.texts(orders) == await one.texts(orders)


async def test_several_blocks_keep_their_order_whatever_comes_in_between(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    blocks = [block(orders, shop, f"a{number}") for number in range(20)]
    seqs, *_ = await asyncio.gather(
        one.put(*blocks), *(other.put(block(orders, shop, "b")) for _ in range(1))
    )
    found = await one.texts(orders)
    assert [found[seq] for seq in seqs] == [f"a{number}" for number in range(20)]
    assert seqs == sorted(seqs)
    assert [*found] == [*range(1, 22)]


async def test_what_another_broker_made_is_seen(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    await one.put(block(orders, shop, "a"))
    assert await other.topics() == [replace(orders, head=1)]
    assert await other.find_account("shop@b.c") == shop
    await other.delete_topic(orders.id)
    assert await one.topics() == []
    with pytest.raises(BatchOutdated) as outdated:
        await one.put(block(orders, shop, "b"))
    assert outdated.value.topics == {orders.id}


async def test_the_same_account_or_topic_is_made_once(
    one: Side, other: Side, shop: Account
) -> None:
    made = await asyncio.gather(
        *(store.create_account("x@b.c", Role.PUBLISHER) for store in (one, other) * 5)
    )
    assert len([account for account in made if account]) == 1
    topics = await asyncio.gather(*(store.create_topic("T", shop.id) for store in (one, other) * 5))
    assert len([topic for topic in topics if topic]) == 1
    assert [topic.name for topic in await one.topics()] == ["T"]


# what is sent and never answered


class Late:
    """Holds the next append back, tells the store that its answer is lost, and sends it later."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._write = streams.write
        self._before = 0  # appends that are let through first
        self._kept: tuple[str, bytes, dict[str, str]] | None = None

    def hold(self, before: int = 0) -> None:
        self._before = before
        self._streams.write = self._hold  # type: ignore[method-assign]

    async def _hold(self, subject: str, payload: bytes, headers: dict[str, str]) -> int:
        if ".topic." not in subject or self._before:
            self._before -= ".topic." in subject
            return await self._write(subject, payload, headers)
        self._streams.write = self._write  # type: ignore[method-assign]
        self._kept = (subject, payload, headers)
        raise StoreLost("the test has it")

    async def arrive(self) -> int:
        assert self._kept is not None
        return await self._write(*self._kept)

    def arrive_before_the_next(self) -> None:
        async def after(subject: str, payload: bytes, headers: dict[str, str]) -> int:
            self._streams.write = self._write  # type: ignore[method-assign]
            await self.arrive()
            return await self._write(subject, payload, headers)

        self._streams.write = after  # type: ignore[method-assign]


async def lose(store: Side, wanted: Batch, before: int = 0) -> Late:
    """Have `store` append `wanted`, of which all but what is `before` stays on its way."""
    late = Late(store._streams)
    late.hold(before)
    with pytest.raises(StoreLost):
        await store.append(wanted)
    return late


async def test_what_arrives_late_is_stored_once(
    one: Side, orders: TopicRecord, shop: Account
) -> None:
    await one.put(block(orders, shop, "a"))
    wanted = batch(block(orders, shop, "b"))
    late = await lose(one, wanted)
    await late.arrive()
    assert [*(await one.append(wanted)).first_seqs] == [2]
    assert await one.texts(orders) == {1: "a", 2: "b"}


async def test_what_arrives_just_before_it_is_sent_again_is_stored_once(
    one: Side, orders: TopicRecord, shop: Account
) -> None:
    await one.put(block(orders, shop, "a"))
    wanted = batch(block(orders, shop, "b"), block(orders, shop, "c"))
    late = await lose(one, wanted)
    late.arrive_before_the_next()
    assert [*(await one.append(wanted)).first_seqs] == [2, 3]
    assert await one.texts(orders) == {1: "a", 2: "b", 3: "c"}


async def test_what_was_not_found_never_arrives(
    one: Side, orders: TopicRecord, shop: Account
) -> None:
    await one.put(block(orders, shop, "a"))
    wanted = batch(block(orders, shop, "b"))
    late = await lose(one, wanted)
    assert await one.find_commit(wanted) is None
    with pytest.raises(WrongLast):
        await late.arrive()
    assert await one.put(block(orders, shop, "c")) == [2]
    assert await one.texts(orders) == {1: "a", 2: "c"}


async def test_what_was_sent_is_found_where_another_broker_appends_too(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    wanted = batch(block(orders, shop, "b"))
    late = await lose(one, wanted)
    await late.arrive()
    await other.put(block(orders, shop, "c"))
    found = await one.find_commit(wanted)
    assert found is not None
    assert [*found.first_seqs] == [1]
    assert await one.put(block(orders, shop, "d")) == [3]


async def test_what_is_stored_of_a_batch_in_part_is_completed_and_not_doubled(
    one: Side, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    mark = replace(await one.begun(shop), last_id=2)  # in two topics: one after the other
    wanted = batch(block(orders, shop, "a"), block(stock, shop, "1"), marks=(mark,))
    await lose(one, wanted, before=1)
    assert (await one.texts(orders), await one.texts(stock)) == ({1: "a"}, {})
    assert [*(await one.append(wanted)).first_seqs] == [1, 1]
    assert (await one.texts(orders), await one.texts(stock)) == ({1: "a"}, {1: "1"})


async def test_a_leader_that_is_none_any_more_is_not_believed(
    one: Side, orders: TopicRecord, shop: Account
) -> None:
    """It says no to what the next leader has stored."""
    await one.put(block(orders, shop, "a"))
    write = one._streams.write

    async def refuse_what_is_stored(subject: str, payload: bytes, headers: dict[str, str]) -> int:
        one._streams.write = write  # type: ignore[method-assign]
        await write(subject, payload, headers)
        raise WrongLast(1)

    one._streams.write = refuse_what_is_stored  # type: ignore[method-assign]
    assert await one.put(block(orders, shop, "b"), block(orders, shop, "c")) == [2, 3]
    assert await one.texts(orders) == {1: "a", 2: "b", 3: "c"}


async def test_an_account_or_topic_is_made_though_a_leader_that_is_none_any_more_says_no(
    one: Side, shop: Account
) -> None:
    write = one._streams.write

    async def refuse_what_is_stored(subject: str, payload: bytes, headers: dict[str, str]) -> int:
        sequence = await write(subject, payload, headers)
        if "email." in subject or "_topics." in subject:
            raise WrongLast(1)
        return sequence

    one._streams.write = refuse_what_is_stored  # type: ignore[method-assign]
    depot = await one.account("depot@b.c")
    topic = await one.topic("T", depot)
    one._streams.write = write  # type: ignore[method-assign]
    assert await one.session(depot)
    assert await one.put(block(topic, depot, "a")) == [1]


@pytest.mark.parametrize("place", range(6))
async def test_what_a_server_has_that_was_cut_off_is_not_read(
    one: Side, other: Side, orders: TopicRecord, shop: Account, place: int
) -> None:
    for text in "abcdef":
        await one.put(block(orders, shop, text))
    near = other._streams.get_near
    other._streams.replicated = True

    async def cut_off(name: str, sequence: int) -> Message | None:
        message = await near(name, sequence)
        if message is None or sequence != 2 + place:
            return message
        numbers = message.headers[HEADER].split(" ")
        numbers[3] = "7"  # another batch came there
        data = message.data.replace(f'"{"abcdef"[place]}"'.encode(), b'"x"')
        return replace(message, headers={HEADER: " ".join(numbers)}, data=data)

    other._streams.get_near = cut_off  # type: ignore[method-assign]
    for limit in (1, 2**20):
        found = [one.bodies for one in await other.read(orders.id, place + 1, limit)]
        assert found[0] == f'"{"abcdef"[place]}"\n'.encode()
    assert [*(await other.texts(orders)).values()] == [*"abcdef"]


# producers


async def test_a_session_that_was_taken_over_appends_nothing(
    one: Side, other: Side, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    older = replace(await one.begun(shop), last_id=1)
    await one.put(block(orders, shop, "a"), marks=(older,))
    newer = await other.begun(shop)
    assert (newer.last_id, newer.epoch > older.epoch) == (1, True)
    for topic in (orders, stock):
        with pytest.raises(BatchOutdated) as outdated:
            await one.put(block(topic, shop, "b"), marks=(replace(older, last_id=2),))
        assert outdated.value.producers == {(shop.id, "p")}
    await other.put(block(orders, shop, "B"), marks=(replace(newer, last_id=2),))
    assert await one.texts(orders) == {1: "a", 2: "B"}
    assert await one.texts(stock) == {}


async def test_what_a_broker_stored_before_it_was_killed_is_known_to_the_next(
    one: Side, other: Side, orders: TopicRecord, stock: TopicRecord, shop: Account
) -> None:
    mark = await one.begun(shop)
    for last_id, topic in enumerate((orders, stock, orders), 1):
        mark = replace(mark, last_id=last_id, refused=(last_id, last_id))
        await one.put(block(topic, shop, "a"), marks=(mark,))
    await abandon(one)
    newer = await other.begun(shop)
    assert newer == replace(mark, epoch=newer.epoch)


async def test_a_late_publish_of_a_killed_broker_is_known_or_never_stored(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    mark = replace(await one.begun(shop), last_id=1)
    await one.put(block(orders, shop, "a"), marks=(mark,))
    late = await lose(one, batch(block(orders, shop, "b"), marks=(replace(mark, last_id=2),)))
    newer = await other.begun(shop)
    assert newer.last_id == 1
    with pytest.raises(WrongLast):
        await late.arrive()
    assert await other.texts(orders) == {1: "a"}


async def test_others_are_not_kept_out_by_a_fence(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    till, depot = await one.begun(shop, "till"), await one.begun(shop, "depot")
    await one.put(block(orders, shop, "a"), marks=(replace(till, last_id=1),))
    await one.put(block(orders, shop, "b"), marks=(replace(depot, last_id=1),))
    await other.begun(shop, "till")
    await one.put(block(orders, shop, "c"), marks=(replace(depot, last_id=2),))
    assert await one.texts(orders) == {1: "a", 2: "b", 3: "c"}


async def test_an_idle_producer_leaves_nothing_to_be_read_and_goes_on(
    one: Side, other: Side, orders: TopicRecord, shop: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.store.jetstream.producers.IDLE_S", -1.0)
    mark = replace(await one.begun(shop), last_id=1)
    await one.put(block(orders, shop, "a"), marks=(mark,))
    await one._producers._reflect_due()
    (entry,) = [
        await one._producers._bucket.get(key) for key in await one._producers._bucket.keys()
    ]
    assert entry.value is not None
    assert (entry.value.last_id, entry.value.topics) == (1, {})
    await one.put(block(orders, shop, "b"), marks=(replace(mark, last_id=2),))
    assert (await other.begun(shop)).last_id == 2
    with pytest.raises(BatchOutdated):
        await one.put(block(orders, shop, "c"), marks=(replace(mark, last_id=3),))


async def test_marks_that_have_no_room_in_a_block_are_stored_beside_it(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    refused = tuple(range(10**15, 10**15 + 1_000))
    marks = [
        replace(await one.begun(shop, f"p{number}"), last_id=2**62 + number, refused=refused)
        for number in range(5)
    ]
    await one.put(block(orders, shop, "a"), marks=tuple(marks))
    await one.put(block(orders, shop, "b"))
    await abandon(one)
    for mark in marks:
        newer = await other.begun(shop, mark.producer)
        assert newer == replace(mark, epoch=newer.epoch)
    assert await other.texts(orders) == {1: "a", 2: "b"}


async def test_a_deleted_accounts_producers_append_nothing(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    depot = await one.account("depot@b.c")
    mark = replace(await one.begun(depot), last_id=1)
    await one.put(block(orders, depot, "a"), marks=(mark,))
    await other.delete_account(depot.id)
    with pytest.raises(BatchOutdated) as outdated:
        await one.put(block(orders, depot, "b"), marks=(replace(mark, last_id=2),))
    assert outdated.value.producers == {(depot.id, "p")}


# sessions


async def test_a_session_that_was_taken_over_saves_nothing(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    ann = await one.account("ann@b.c", Role.SUBSCRIBER)
    older = await one.session(ann)
    await one.subscribe(ann.id, orders.id, 0, older)
    newer = await other.session(ann)
    late = CursorMove(ann.id, orders.id, 5, older)
    assert await one.save_cursors([late]) == [late]
    with pytest.raises(Superseded):
        await one.subscribe(ann.id, orders.id, 9, older)
    assert await other.save_cursors([CursorMove(ann.id, orders.id, 3, newer)]) == []
    assert [found.cursor for found in await one.subscriptions(ann.id)] == [3]
    assert await one.receipts(orders.id, 3) == (1, 1)


async def test_a_topic_that_another_broker_deleted_cannot_be_subscribed_to(
    one: Side, other: Side, orders: TopicRecord
) -> None:
    ann = await one.account("ann@b.c", Role.SUBSCRIBER)
    epoch = await one.session(ann)
    await one.subscribe(ann.id, orders.id, 0, epoch)
    await other.delete_topic(orders.id)
    with pytest.raises(StoreRefused):
        await one.subscribe(ann.id, orders.id, 0, epoch)
    assert await one.subscriptions(ann.id) == []
    assert await one.receipts(orders.id, 0) == (0, 0)


# news


async def test_what_is_told_is_heard_by_all(jetstream: str) -> None:
    heard: list[asyncio.Queue[str | None]] = [asyncio.Queue(), asyncio.Queue()]
    stores = [Side(jetstream), Side(jetstream)]
    for store, queue in zip(stores, heard, strict=True):
        store.listen(queue.put_nowait)
        await store.open()
    await stores[0].tell("ünïcode " + "x" * 6_000)
    for queue in heard:
        async with asyncio.timeout(5):
            assert await queue.get() == "ünïcode " + "x" * 6_000
    for store in stores:
        await store.close()


# retention


async def test_what_one_broker_takes_out_is_gone_for_the_other(
    one: Side, other: Side, orders: TopicRecord, shop: Account
) -> None:
    for text in "abc":
        await one.put(block(orders, shop, text))
    assert await other.texts(orders) == {1: "a", 2: "b", 3: "c"}
    assert await one.take_out(orders.id, 2) == 2
    assert await other.texts(orders) == {3: "c"}
    assert await one.take_out(orders.id, 3) == 3
    assert [(topic.tail, topic.head) for topic in await other.topics()] == [(3, 3)]
    assert await other.put(block(orders, shop, "d")) == [4]
    assert await one.put(block(orders, shop, "e")) == [5]
    assert await one.texts(orders) == {4: "d", 5: "e"}
