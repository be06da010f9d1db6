"""The log: group commit, order, and what a store that fails leaves behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain

import pytest

from broker.block import Block
from broker.cache import BlockCache
from broker.gathering import Ticket
from broker.log import Log, LogLimits, _pause_s
from broker.store.errors import StoreLost, StoreRefused
from broker.store.interface import Account, Batch, Commit, ProducerMark, TopicRecord
from broker.topic_messages import BlockLimits
from broker.topics import Topic, Topics
from protocol.frames import split_bodies
from protocol.names import Role
from protocol.reasons import Reason, RequestRefused
from tests.doubles.memory_store import MemoryStore
from tests.wire import until

pytestmark = pytest.mark.usefixtures("quick_retries")

PATIENT_S = 1_000.0
UNAVAILABLE: tuple[list[int], Reason | None] = ([], Reason.STORE_UNAVAILABLE)


pause_s = _pause_s  # as it is, which `quick_retries` does away with


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a store that is away again at once."""
    monkeypatch.setattr("broker.log._pause_s", lambda attempt: 0.0)


class Publisher:
    """A session as the log sees it: it appends, and is told once how each commit ended."""

    def __init__(self, bench: "Bench", account: Account) -> None:
        self._bench = bench
        self.account = account
        self.settled: list[tuple[list[int], Reason | None]] = []  # seqs by commit, or why not
        self.settled_one = asyncio.Event()

    def publish(self, topic: Topic, *messages: str, mark: ProducerMark | None = None) -> Ticket:
        return self._bench.log.append(
            self.account,
            [(topic, [*messages], [*range(len(messages))])],
            owner=self,
            settle=self._settle,
            mark=mark,
        )

    def _settle(self, ticket: Ticket, refused: RequestRefused | None) -> None:
        seqs = [seq for run in ticket.asked for seq in run.reply_seqs]
        self.settled.append(([], refused.reason) if refused else (seqs, None))
        self._bench.events.append("answered")
        self.settled_one.set()

    async def answered(self, commits: int = 1) -> None:
        """Return when so many commits have been settled."""
        while len(self.settled) < commits:
            self.settled_one.clear()
            await self.settled_one.wait()


class Bench:
    """A log on a store in memory, and what it hands out."""

    def __init__(self, store: MemoryStore, limits: LogLimits) -> None:
        self.store = store
        self.topics = Topics()
        self.cache = BlockCache(2**20)
        self.events: list[str] = []
        self.delivered: list[tuple[str, int, list[str]]] = []
        self.log = Log(store, self.cache, limits, self._deliver)

    def _deliver(self, topic: Topic, block: Block) -> None:
        assert topic.head == block.last_seq
        assert self.cache.find(topic.name, block.first_seq) is block
        self.events.append("delivered")
        self.delivered.append((topic.name, block.first_seq, texts(block.bodies)))

    async def publisher(self, email: str = "shop@b.c") -> Publisher:
        account = await self.store.find_account(email)
        if account is None:
            account = await self.store.create_account(email, Role.PUBLISHER)
        assert account is not None
        return Publisher(self, account)

    async def topic(self, name: str = "T") -> Topic:
        record = await self.store.create_topic(name, 1)
        assert record is not None
        return self.known(record)

    def known(self, record: TopicRecord) -> Topic:
        topic = self.topics.add(record)
        assert topic is not None
        return topic

    async def stored(self, topic: Topic) -> list[str]:
        blocks = await self.store.read(topic.id, 1, 2**30)
        return [*chain.from_iterable(texts(block.bodies) for block in blocks)]


def texts(bodies: bytes) -> list[str]:
    return [line.decode()[1:-2] for line in split_bodies(bodies)]


@asynccontextmanager
async def running(
    *,
    store: MemoryStore | None = None,
    count: int = 1_000,
    size: int = 2**20,
    commit_bytes: int = 2**20,
    wait_s: float = PATIENT_S,
) -> AsyncIterator[Bench]:
    bench = Bench(store or MemoryStore(), LogLimits(BlockLimits(count, size), commit_bytes, wait_s))
    task = asyncio.ensure_future(bench.log.run())
    yield bench
    assert not task.done(), task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# group commit


async def test_a_publish_is_answered_with_its_seq_once_it_is_stored() -> None:
    async with running() as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        shop.publish(topic, "a", "b")
        assert shop.settled == []
        await bench.log.drain()
        assert shop.settled == [([1, 2], None)]
        assert await bench.stored(topic) == ["a", "b"]
        assert bench.delivered == [("T", 1, ["a", "b"])]
        assert topic.head == 2


async def test_subscribers_are_served_before_publishers_are_answered() -> None:
    async with running() as bench:
        topic, shop, depot = await bench.topic(), await bench.publisher(), await bench.publisher()
        shop.publish(topic, "a")
        depot.publish(topic, "b")
        await bench.log.drain()
        assert bench.events == ["delivered", "answered", "answered"]


async def test_a_lone_publish_costs_a_turn_of_the_loop_before_the_store_and_none_after() -> None:
    async with running() as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        await asyncio.sleep(0)  # the log has begun to wait
        shop.publish(topic, "a")
        await asyncio.sleep(0)
        assert bench.store.appends == 1
        assert shop.settled == [([1], None)]


async def test_a_commit_takes_all_that_came_while_the_one_before_it_was_in_flight() -> None:
    async with running() as bench:
        one, other = await bench.topic("T"), await bench.topic("U")
        shop, depot = await bench.publisher(), await bench.publisher("depot@b.c")
        bench.store.hold()
        shop.publish(one, "a")
        await bench.store.held.wait()
        shop.publish(one, "b")
        depot.publish(one, "c")
        shop.publish(other, "1", "2")
        shop.publish(one, "d")
        bench.store.release()
        await bench.log.drain()
        assert bench.store.appends == bench.log.commits == 2
        assert bench.delivered == [("T", 1, ["a"]), ("T", 2, ["b", "c", "d"]), ("U", 1, ["1", "2"])]
        assert shop.settled == [([1], None), ([2, 1, 2, 4], None)]
        assert depot.settled == [([3], None)]


async def test_a_log_that_is_cancelled_while_it_delivers_leaves_no_append_at_work() -> None:
    ended: list[Batch] = []

    class Stuck(MemoryStore):
        async def append(self, batch: Batch) -> Commit:
            try:
                commit = await super().append(batch)
                if self.appends == 2:
                    await asyncio.Event().wait()
                return commit
            finally:
                ended.append(batch)

    store = Stuck()
    async with running(store=store) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        store.hold()
        shop.publish(topic, "a")
        await store.held.wait()
        shop.publish(topic, "b")
        store.release()
        await until(lambda: shop.settled == [([1], None)])
        assert (store.appends, len(ended)) == (2, 1)
    assert len(ended) == 2


async def test_what_is_published_upon_an_answer_is_committed_too() -> None:
    async with running() as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        left = iter("bcd")
        all_settled = asyncio.Event()

        def publish_next(ticket: Ticket, refused: RequestRefused | None) -> None:
            message = next(left, None)
            if message is None:
                all_settled.set()
            else:
                bench.log.append(
                    shop.account, [(topic, [message], [1])], owner=left, settle=publish_next
                )

        bench.log.append(shop.account, [(topic, ["a"], [1])], owner=left, settle=publish_next)
        await all_settled.wait()
        assert await bench.stored(topic) == [*"abcd"]


async def test_a_publisher_gets_one_ticket_a_commit() -> None:
    async with running() as bench:
        topic, shop, depot = await bench.topic(), await bench.publisher(), await bench.publisher()
        first = shop.publish(topic, "a")
        assert shop.publish(topic, "b") is first
        assert depot.publish(topic, "c") is not first
        await bench.log.drain()
        assert shop.publish(topic, "d") is not first
        await bench.log.drain()


async def test_heads_and_seqs_go_on_where_the_store_has_left_them() -> None:
    store = MemoryStore()
    for _ in range(2):
        async with running(store=store) as bench:
            shop = await bench.publisher()
            records = await store.topics()
            topic = bench.known(records[0]) if records else await bench.topic()
            shop.publish(topic, "a", "b")
            await bench.log.drain()
    assert shop.settled == [([3, 4], None)]


async def test_a_producers_mark_is_stored_with_its_messages() -> None:
    async with running() as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        begun = await bench.store.begin_producer(shop.account.id, "till")
        assert begun is not None
        newest = replace(begun, last_id=2, refused=(1,))
        shop.publish(topic, "a", mark=replace(begun, last_id=1))
        shop.publish(topic, "b", mark=newest)
        await bench.log.drain()
        again = await bench.store.begin_producer(shop.account.id, "till")
        assert again == replace(newest, epoch=begun.epoch + 1)


# bounds


async def test_blocks_are_bounded_by_count() -> None:
    async with running(count=3) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        shop.publish(topic, *"abcdefg")
        await bench.log.drain()
        assert bench.log.commits == 1
        assert bench.delivered == [
            ("T", 1, ["a", "b", "c"]),
            ("T", 4, ["d", "e", "f"]),
            ("T", 7, ["g"]),
        ]
        assert shop.settled == [([*range(1, 8)], None)]


async def test_blocks_are_bounded_by_size_and_a_larger_message_has_one_to_itself() -> None:
    async with running(size=40) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        shop.publish(topic, "a" * 10, "b" * 10, "c" * 10, "d" * 1_000, "e")
        await bench.log.drain()
        assert [[len(text) for text in block] for _, _, block in bench.delivered] == [
            [10, 10, 10],
            [1_000],
            [1],
        ]


async def test_a_commit_is_bounded_and_keeps_the_order() -> None:
    async with running(commit_bytes=2_500) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        expected = [f"{number:0100}" for number in range(30)]
        for text in expected:
            shop.publish(topic, text)
        await bench.log.drain()
        assert bench.log.commits == 5  # of 2,500 bytes and the one message that went over it
        assert await bench.stored(topic) == expected
        assert [seq for seqs, _ in shop.settled for seq in seqs] == [*range(1, 31)]


async def test_a_commit_is_as_large_as_a_block_or_as_all_that_goes_before_it() -> None:
    async with running(size=2_500) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        for number in range(60):
            shop.publish(topic, f"{number:0100}")  # which takes 464 bytes
        await bench.log.drain()
        commits = [len(seqs) for seqs, _ in shop.settled]
        assert commits == [6, 6, 12, 24, 12]  # the first has the bytes of a block


async def test_the_messages_of_one_call_go_into_one_commit() -> None:
    async with running(commit_bytes=1_000) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        shop.publish(topic, *["x" * 500] * 10)
        shop.publish(topic, "y")
        await bench.log.drain()
        assert [seqs for seqs, _ in shop.settled] == [[*range(1, 11)], [11]]


# a store that fails


async def test_a_store_that_comes_back_in_time_goes_unnoticed() -> None:
    async with running() as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        bench.store.lose()
        shop.publish(topic, "a")
        await bench.store.asked_in_vain.wait()
        shop.publish(topic, "b")
        bench.store.restore()
        await bench.log.drain()
        assert shop.settled == [([1], None), ([2], None)]
        assert await bench.stored(topic) == ["a", "b"]


async def test_a_batch_whose_answer_was_lost_is_stored_and_answered_once() -> None:
    async with running() as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        bench.store.lose_answer()
        shop.publish(topic, "a", "b")
        await bench.log.drain()
        shop.publish(topic, "c")
        await bench.log.drain()
        assert bench.store.appends == 3
        assert shop.settled == [([1, 2], None), ([3], None)]
        assert await bench.stored(topic) == ["a", "b", "c"]
        assert bench.delivered == [("T", 1, ["a", "b"]), ("T", 3, ["c"])]


async def test_publishers_are_told_when_the_store_stays_away_and_nothing_overtakes() -> None:
    async with running(wait_s=0) as bench:
        topic, shop, depot = await bench.topic(), await bench.publisher(), await bench.publisher()
        bench.store.hold()
        shop.publish(topic, "a")
        await bench.store.held.wait()
        shop.publish(topic, "b")
        depot.publish(topic, "c")
        bench.store.lose()
        bench.store.release()
        await shop.answered(2)
        assert shop.settled == [UNAVAILABLE, UNAVAILABLE]
        assert depot.settled == [UNAVAILABLE]
        bench.store.restore()
        shop.publish(topic, "d")
        await bench.log.drain()
        assert shop.settled[2:] == [([1], None)]
        assert await bench.stored(topic) == ["d"]
        assert bench.delivered == [("T", 1, ["d"])]


async def test_what_is_published_while_the_store_stays_away_is_answered_too() -> None:
    async with running(wait_s=0) as bench:
        topic, shop, depot = await bench.topic(), await bench.publisher(), await bench.publisher()
        bench.store.lose()
        shop.publish(topic, "a")
        await shop.answered()
        depot.publish(topic, "b")
        await depot.answered()
        assert depot.settled == [UNAVAILABLE]
        bench.store.restore()
        await bench.log.drain()


async def test_a_batch_that_was_stored_after_all_is_delivered_though_it_was_not_answered() -> None:
    async with running(wait_s=0) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        bench.store.lose_answer()
        shop.publish(topic, "a")
        await shop.answered()
        assert shop.settled == [UNAVAILABLE]
        await bench.log.find_out()
        assert bench.store.appends == 1  # after that it is only looked for
        assert bench.delivered == [("T", 1, ["a"])]
        shop.publish(topic, "b")
        await bench.log.drain()
        assert shop.settled[1:] == [([2], None)]
        assert await bench.stored(topic) == ["a", "b"]


async def test_a_refused_batch_is_told_to_its_publishers_and_the_log_goes_on() -> None:
    async with running() as bench:
        topic, shop, depot = await bench.topic(), await bench.publisher(), await bench.publisher()
        bench.store.hold()
        shop.publish(topic, "a")
        await bench.store.held.wait()
        depot.publish(topic, "b")
        bench.store.refuse()
        bench.store.release()
        await depot.answered()
        assert (shop.settled, depot.settled) == ([UNAVAILABLE], [UNAVAILABLE])
        bench.store.restore()
        shop.publish(topic, "c")
        await bench.log.drain()
        assert shop.settled[1:] == [([1], None)]
        assert bench.delivered == [("T", 1, ["c"])]


async def test_a_publisher_that_answers_a_refusal_with_a_publish_does_no_harm() -> None:
    async with running(wait_s=0) as bench:
        topic, depot = await bench.topic(), await bench.publisher()
        tries = iter("bcd")

        def publish_again(ticket: Ticket, refused: RequestRefused | None) -> None:
            message = next(tries, None)
            if message is not None:
                append(message)

        def append(message: str) -> None:
            bench.log.append(
                depot.account, [(topic, [message], [1])], owner=tries, settle=publish_again
            )

        bench.store.lose()
        append("a")
        await bench.store.asked_in_vain.wait()
        bench.store.restore()
        await bench.log.drain()
        depot.publish(topic, "z")
        await bench.log.drain()
        stored = await bench.stored(topic)
        assert stored == sorted(stored)
        assert stored[-1] == "z"


# closing and draining


async def test_drain_returns_when_all_that_was_accepted_is_settled() -> None:
    async with running(commit_bytes=100) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        for text in "abcdefgh":
            shop.publish(topic, text)
        await bench.log.drain()
        assert [seq for seqs, _ in shop.settled for seq in seqs] == [*range(1, 9)]


async def test_drain_waits_for_nothing_where_nothing_was_published() -> None:
    async with running() as bench:
        await bench.log.drain()
        topic, shop = await bench.topic(), await bench.publisher()
        shop.publish(topic, "a")
        await bench.log.drain()
        await bench.log.drain()


async def test_drain_waits_for_the_commit_in_flight() -> None:
    async with running() as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        bench.store.hold()
        shop.publish(topic, "a")
        await bench.store.held.wait()
        draining = asyncio.ensure_future(bench.log.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        bench.store.release()
        await draining
        assert shop.settled == [([1], None)]


async def test_drain_does_not_wait_for_a_store_whose_publishers_have_been_told() -> None:
    async with running(wait_s=0) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        bench.store.lose()
        shop.publish(topic, "a")
        await bench.log.drain()
        assert shop.settled == [UNAVAILABLE]


async def test_it_is_found_out_what_became_of_what_nobody_knew() -> None:
    async with running(wait_s=0) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        bench.store.lose_answer()
        shop.publish(topic, "a")
        await shop.answered()
        bench.store.lose()
        finding_out = asyncio.ensure_future(bench.log.find_out())
        await bench.store.asked_in_vain.wait()
        assert not finding_out.done()
        bench.store.restore()
        await finding_out
        assert topic.head == 1


async def test_it_is_found_out_of_all_that_was_accepted_not_only_of_the_newest() -> None:
    async with running(wait_s=0) as bench:
        topic, shop, depot = await bench.topic(), await bench.publisher(), await bench.publisher()
        bench.store.hold()
        shop.publish(topic, "a")
        await bench.store.held.wait()
        depot.publish(topic, "b")
        finding_out = asyncio.ensure_future(bench.log.find_out())
        await asyncio.sleep(0)
        bench.store.lose()
        bench.store.release()
        await depot.answered()
        for _ in range(9):
            await asyncio.sleep(0)
        assert not finding_out.done()  # of b it is known, of a it is not
        bench.store.restore()
        await finding_out


async def test_a_store_that_stays_away_for_days_is_asked_again_every_second_or_so() -> None:
    for attempt in (0, 1, 10, 1_000, 100_000, 10**9):
        assert 0 < pause_s(attempt) <= 1.0


async def test_a_closed_log_says_why_until_it_is_opened_again() -> None:
    async with running() as bench:
        assert bench.log.closed is None
        bench.log.close(Reason.LOW_DISK, "no space")
        assert bench.log.closed is not None
        assert (bench.log.closed.reason, bench.log.closed.text) == (Reason.LOW_DISK, "no space")
        bench.log.reopen()
        assert bench.log.closed is None


# any faults at all


class Moody(MemoryStore):
    """A store that meets each append with the next of its moods."""

    def __init__(self, moods: str) -> None:
        super().__init__()
        self._moods = iter(moods)

    async def append(self, batch: Batch) -> Commit:
        mood = next(self._moods, "well")
        if mood == "l":
            raise StoreLost("before it was stored")
        if mood == "r" and batch.id not in self._commits:  # only what is not stored is refused
            raise StoreRefused("for a reason of its own")
        if mood == "a":
            self.lose_answer()
        return await super().append(batch)


@pytest.mark.parametrize("wait_s", [0, PATIENT_S])
@pytest.mark.parametrize("moods", ["lal", "aal", "rla", "warlarawalr", "lllaarrr" * 3])
async def test_whatever_the_store_does_each_publish_is_settled_once_and_in_order(
    moods: str, wait_s: float
) -> None:
    async with running(store=Moody(moods), wait_s=wait_s) as bench:
        topic, shop = await bench.topic(), await bench.publisher()
        sent = [f"{number:03}" for number in range(60)]
        settled: list[str] = []
        answered: list[str] = []
        for text in sent:
            done = asyncio.Event()

            def settle(
                ticket: Ticket,
                refused: RequestRefused | None,
                text: str = text,
                done: asyncio.Event = done,
            ) -> None:
                settled.append(text)
                if refused is None:
                    answered.append(text)
                done.set()

            bench.log.append(shop.account, [(topic, [text], [1])], owner=done, settle=settle)
            if int(text) % 3 == 0:
                await done.wait()
        await bench.log.drain()
        await bench.log.find_out()
        stored = await bench.stored(topic)
        assert settled == sent
        assert stored == sorted(set(stored))
        assert set(answered) <= set(stored)
        assert [text for _, _, block in bench.delivered for text in block] == stored
