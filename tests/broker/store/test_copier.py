"""The order of copying: what is refused, broken off, gone on with and compared."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.store import copier as copier_module
from broker.store import copying
from broker.store.copier import Copier, Different, Refused, Stage, Summary
from broker.store.copying import (
    CopiedAccount,
    CopiedProducer,
    CopiedSubscription,
    CopiedTopic,
    Torn,
)
from broker.store.interface import StoredBlock
from protocol.frames import encode_bodies
from protocol.names import Role
from tests.doubles.memory_copy import BrokenOff, MemoryCopy

BEGUN = datetime(2024, 2, 29, 23, 59, 59, 999_999, UTC)
HOSTILE = "'; DROP \N{RIGHT-TO-LEFT OVERRIDE}[red]\x1b[2J%s{}\N{PILE OF POO}"


class Heard:
    """A `Progress` that remembers, by stage, of how many messages it is and how many are done."""

    def __init__(self) -> None:
        self.totals: dict[Stage, int] = {}
        self.done: dict[Stage, int] = {}

    def begin(self, stage: Stage, messages: int) -> None:
        self.stage = stage
        self.totals[stage], self.done[stage] = messages, 0

    def advance(self, messages: int, size: int) -> None:
        self.done[self.stage] += messages


@pytest.fixture(autouse=True)
def _small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "CHUNK_BLOCKS", 2)
        patch.setattr(copier_module, "CHUNK_ROWS", 2)
        yield


def block(first_seq: int, *texts: str, by: tuple[str, ...] = ("shop@b.c",)) -> StoredBlock:
    at = BEGUN + timedelta(seconds=first_seq)
    return StoredBlock(first_seq, len(texts), by, at, encode_bodies(texts))


def put(store: MemoryCopy, *entries: CopiedAccount | CopiedSubscription | CopiedProducer) -> None:
    for one in entries:
        if isinstance(one, CopiedAccount):
            store.account_list[one.key] = one
        elif isinstance(one, CopiedSubscription):
            store.subscription_list[one.key] = one
        else:
            store.producer_list[one.key] = one


def put_topic(
    store: MemoryCopy, name: str, *blocks: StoredBlock, tail: int = 0, creator: str | None = None
) -> None:
    head = blocks[-1].first_seq + blocks[-1].count - 1 if blocks else tail
    at = BEGUN - timedelta(days=1)
    store.topic_list[name] = CopiedTopic(name, creator, at, tail, head)
    store.blocks[name] = [*blocks]


def shop_store() -> MemoryCopy:
    """A store with all that is peculiar."""
    store = MemoryCopy("the source")
    put(
        store,
        CopiedAccount("shop@b.c", Role.PUBLISHER, "$argon2id$hash"),
        CopiedAccount("depot@b.c", Role.PUBLISHER, None),
        CopiedAccount(f"{HOSTILE}@b.c", Role.SUBSCRIBER, "other"),
        CopiedAccount("ann@b.c", Role.SUBSCRIBER, None),
    )
    put_topic(
        store,
        HOSTILE,
        block(4, "d", "e", "f", by=("shop@b.c", "", "depot@b.c")),
        block(7, HOSTILE),
        block(8, "h", "i", by=("",)),
        tail=3,
        creator="shop@b.c",
    )
    put_topic(store, "EMPTY", creator=None)
    put_topic(store, "GONE", tail=12, creator="depot@b.c")
    put_topic(store, "ORDERS", *[block(seq, f"order {seq}") for seq in range(1, 8)])
    put(
        store,
        CopiedSubscription("ann@b.c", HOSTILE, 1),  # behind the tail
        CopiedSubscription("ann@b.c", "GONE", 12),
        CopiedSubscription("ann@b.c", "EMPTY", 0),
        CopiedSubscription(f"{HOSTILE}@b.c", HOSTILE, 9),
        CopiedProducer("shop@b.c", HOSTILE, 2**62, (3, 5, 9, 9)),
        CopiedProducer("depot@b.c", "p", 0, ()),
    )
    return store


async def copy(source: MemoryCopy, target: MemoryCopy) -> Summary:
    return await Copier(source, target, Heard()).run()


async def test_all_of_a_store_is_copied_and_counted() -> None:
    source, target, heard = shop_store(), MemoryCopy(), Heard()
    summary = await Copier(source, target, heard).run()
    assert target.content == source.content
    assert [*target.topic_list] == [*source.topic_list], "the oldest topic comes first"
    assert summary == Summary(accounts=4, topics=4, messages=13, subscriptions=4, producers=2)
    assert heard.totals == {Stage.CHECKING: 0, Stage.COPYING: 13, Stage.COMPARING: 13}
    assert heard.done == heard.totals


async def test_a_copy_that_is_repeated_changes_nothing_and_compares_all() -> None:
    source, target, heard = shop_store(), MemoryCopy(), Heard()
    await copy(source, target)
    before = target.calls
    await Copier(source, target, heard).run()
    assert target.calls == before
    assert heard.done == {Stage.CHECKING: 13, Stage.COPYING: 0, Stage.COMPARING: 0}


async def test_a_copy_that_is_broken_off_anywhere_goes_on_there() -> None:
    whole = MemoryCopy()
    await copy(shop_store(), whole)
    assert whole.calls > 10
    for calls in range(whole.calls):
        source, target = shop_store(), MemoryCopy()
        target.calls_left = calls
        with pytest.raises(BrokenOff):
            await copy(source, target)
        target.calls_left = None
        await copy(source, target)
        assert target.content == source.content
        assert target.calls == whole.calls or target.calls == whole.calls + 1  # other chunks


async def test_what_has_changed_since_a_copy_is_copied_by_the_next() -> None:
    source, target = shop_store(), MemoryCopy()
    await copy(source, target)
    put_topic(source, "NEWER", block(1, "a"))
    put_topic(source, "ORDERS", *source.blocks["ORDERS"], block(8, "x", "y"))
    put_topic(source, HOSTILE, *source.blocks[HOSTILE][2:], tail=7, creator=None)
    put_topic(source, "GONE", block(41, "after all of it"), tail=40, creator="depot@b.c")
    put(
        source,
        CopiedAccount("new@b.c", Role.SUBSCRIBER, None),
        CopiedAccount("shop@b.c", Role.PUBLISHER, "another hash"),
        CopiedSubscription("new@b.c", "NEWER", 1),
        CopiedSubscription("ann@b.c", "GONE", 3),  # it asked for them again
        CopiedProducer("shop@b.c", HOSTILE, 2**63 - 1, ()),
    )
    del source.subscription_list["ann@b.c", "EMPTY"]
    await copy(source, target)
    assert target.content == source.content


async def test_a_copy_goes_on_in_the_middle_of_a_block() -> None:
    source, target = shop_store(), MemoryCopy()
    source.blocks["ORDERS"] = [block(1, *"abcdefg", by=("shop@b.c", *["depot@b.c"] * 6))]
    await copy(source, target)
    whole = target.blocks["ORDERS"][0]
    put_topic(target, "ORDERS", replace(whole, count=3, publishers=whole.publishers[:3],
                                        bodies=encode_bodies("abc")))  # fmt: skip
    await copy(source, target)
    assert target.content == source.content
    assert len(target.blocks["ORDERS"]) == 2


# what is refused


def another_account(store: MemoryCopy) -> None:
    put(store, CopiedAccount("eve@b.c", Role.PUBLISHER, None))


def another_role(store: MemoryCopy) -> None:
    put(store, CopiedAccount("ann@b.c", Role.PUBLISHER, None))


def another_topic(store: MemoryCopy) -> None:
    put_topic(store, "EVE'S")


def made_anew(store: MemoryCopy) -> None:
    store.topic_list["ORDERS"] = replace(store.topic_list["ORDERS"], created_at=BEGUN)


def more_messages(store: MemoryCopy) -> None:
    put_topic(store, "ORDERS", *store.blocks["ORDERS"], block(8, "new"))


def fewer_messages(store: MemoryCopy) -> None:
    put_topic(store, "ORDERS", *store.blocks["ORDERS"][1:], tail=1)


def other_text(store: MemoryCopy) -> None:
    store.blocks["ORDERS"][1] = block(2, "order TWO")


def other_publisher(store: MemoryCopy) -> None:
    store.blocks["ORDERS"][1] = replace(store.blocks["ORDERS"][1], publishers=("depot@b.c",))


def other_time(store: MemoryCopy) -> None:
    store.blocks["ORDERS"][1] = replace(store.blocks["ORDERS"][1], committed_at=BEGUN)


def another_producer(store: MemoryCopy) -> None:
    put(store, CopiedProducer("shop@b.c", "mine", 1, ()))


def signed_in(store: MemoryCopy) -> None:
    store.used = True


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (another_account, "it has the account 'eve@b.c'"),
        (another_role, "its account 'ann@b.c' is a publisher"),
        (another_topic, 'it has the topic "EVE\'S"'),
        (made_anew, "its topic 'ORDERS' is another one of that name"),
        (more_messages, "its topic 'ORDERS' has come further"),
        (fewer_messages, "its topic 'ORDERS' has come further"),
        (other_text, "they differ in the texts in topic 'ORDERS'"),
        (other_publisher, "they differ in the publishers in topic 'ORDERS'"),
        (other_time, "they differ in the times in topic 'ORDERS'"),
        (another_producer, "it has the producer 'mine' of 'shop@b.c'"),
        (signed_in, "somebody has signed in to it"),
    ],
)
async def test_a_target_that_is_something_else_is_refused_and_left_as_it_is(
    change: object, told: str
) -> None:
    source, target = shop_store(), MemoryCopy("the target")
    await copy(source, target)
    put_topic(source, "NEWER", block(1, "a"))
    assert callable(change)
    change(target)
    before, calls = target.content, target.calls
    with pytest.raises(Refused) as refused:
        await copy(source, target)
    text = str(refused.value)
    assert told in text
    assert text.startswith("the target holds something else than an unfinished copy of the source")
    assert "Nothing was changed; copy to an empty store, or empty this one first" in text
    assert (target.content, target.calls) == (before, calls)


# what is lost or differs


async def test_a_source_that_lacks_messages_is_told_with_their_seqs() -> None:
    for missing, told in [(0, "1 to 1"), (3, "4 to 4"), (6, "7 to 7")]:
        source = shop_store()
        del source.blocks["ORDERS"][missing]
        with pytest.raises(Torn, match=f"the source lacks the messages {told} of topic 'ORDERS'"):
            await copy(source, MemoryCopy())


class Forgetful(MemoryCopy):
    """A store that spoils what it is given."""

    def __init__(self, spoil: object) -> None:
        super().__init__("the target")
        self._spoil = spoil

    async def check_alone(self) -> None:
        raise AssertionError("what differs is told before")

    async def put_producers(self, producers: object) -> None:
        """The last thing that is put."""
        await super().put_producers(producers)  # type: ignore[arg-type]  # passed on as it came
        assert callable(self._spoil)
        self._spoil(self)


def without_hash(store: MemoryCopy) -> None:
    put(store, CopiedAccount("shop@b.c", Role.PUBLISHER, None))


def moved_cursor(store: MemoryCopy) -> None:
    put(store, CopiedSubscription("ann@b.c", HOSTILE, 4))


def without_producer(store: MemoryCopy) -> None:
    store.producer_list.popitem()


def without_creator(store: MemoryCopy) -> None:
    store.topic_list["GONE"] = replace(store.topic_list["GONE"], creator=None)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (other_text, "the texts in topic 'ORDERS'"),
        (other_publisher, "the publishers in topic 'ORDERS'"),
        (other_time, "the times in topic 'ORDERS'"),
        (without_hash, "the account 'shop@b.c'"),
        (moved_cursor, "the subscription 'ann@b.c' "),
        (without_producer, "the producer 'shop@b.c' "),
        (without_creator, "the topic 'GONE'"),
        (another_account, "the account 'eve@b.c'"),
    ],
)
async def test_a_copy_that_is_not_the_same_is_told(spoil: object, told: str) -> None:
    with pytest.raises(Different) as different:
        await copy(shop_store(), Forgetful(spoil))
    assert str(different.value).startswith(f"the target is not the same as the source: {told}")
    assert "hash" not in str(different.value)


async def test_many_differences_are_counted_not_listed() -> None:
    def spoil(store: MemoryCopy) -> None:
        store.subscription_list.clear()
        store.producer_list.clear()

    with pytest.raises(Different, match=r"'EMPTY' and 3 more\. Do not use it"):
        await copy(shop_store(), Forgetful(spoil))


# anything


@st.composite
def stores(draw: st.DrawFn) -> MemoryCopy:
    random = Random(draw(st.integers(0, 2**32)))
    return grown(MemoryCopy("the source"), random)


def grown(store: MemoryCopy, random: Random) -> MemoryCopy:
    """Let a broker's life go on in `store` for a while."""
    for _ in range(random.randrange(30)):
        _live(store, random)
    return store


def _live(store: MemoryCopy, random: Random) -> None:
    publishers = [one.email for one in store.account_list.values() if one.role is Role.PUBLISHER]
    subscribers = [one.email for one in store.account_list.values() if one.role is Role.SUBSCRIBER]
    topics = [*store.topic_list.values()]
    match random.randrange(7):
        case 0:
            email = f"{random.randrange(100)}\N{SNOWMAN}@b.c"
            role = random.choice([*Role])
            if (email,) not in store.account_list:
                put(store, CopiedAccount(email, role, random.choice([None, "hash"])))
        case 1 if publishers:
            put_topic(store, f"T{len(topics)}", creator=random.choice(publishers))
        case 2 | 3 if topics:
            topic = random.choice(topics)
            texts = [f"m{random.random()}" for _ in range(random.randrange(1, 6))]
            who = [*publishers, ""]
            by = [random.choice(who) for _ in texts] if random.random() < 0.5 else [who[0]]
            new = block(topic.head + 1, *texts, by=tuple(by))
            put_topic(store, topic.name, *store.blocks[topic.name], new,
                      tail=topic.tail, creator=topic.creator)  # fmt: skip
        case 4 if topics and store.blocks[(topic := random.choice(topics)).name]:
            oldest, *rest = store.blocks[topic.name]
            tail = oldest.first_seq + oldest.count - 1
            put_topic(store, topic.name, *rest, tail=tail, creator=topic.creator)
        case 5 if topics and subscribers:
            topic = random.choice(topics)
            key = random.choice(subscribers), topic.name
            if random.random() < 0.3:
                store.subscription_list.pop(key, None)
            else:
                put(store, CopiedSubscription(*key, random.randint(0, topic.head)))
        case 6 if publishers:
            key = random.choice(publishers), f"p{random.randrange(3)}"
            old = store.producer_list.get(key, CopiedProducer(*key, 0, ()))
            last = old.last_id + random.randrange(3)
            put(store, CopiedProducer(*key, last, (1, last) if last else ()))


@given(stores(), st.integers(0, 2**32), st.lists(st.integers(0, 12), max_size=4))
async def test_whatever_happens_between_the_runs_the_last_one_makes_the_same_of_both(
    source: MemoryCopy, seed: int, breaks: list[int]
) -> None:
    random, target = Random(seed), MemoryCopy("the target")
    for calls in breaks:
        target.calls_left = calls
        with suppress(BrokenOff):
            await copy(source, target)
        grown(source, random)
    target.calls_left = None
    await copy(source, target)
    assert target.content == source.content
    assert [*target.topic_list] == [*source.topic_list]
