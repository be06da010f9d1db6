"""The log: publishes in, blocks on disk, in order, with one commit in flight at a time.

Group commit: what arrives while a commit is in flight makes up the next one. There is no
timer, so a lone publish waits for nobody.
"""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass

from broker.block import Block
from broker.cache import BlockCache
from broker.counters import Latencies
from broker.gathering import MOST_RUNS, Gathering, Ticket
from broker.publishes import Publishes, TopicRun
from broker.scattering import NOTHING_SCATTERED, Page
from broker.store.errors import BatchOutdated, StoreLost, StoreRefused
from broker.store.interface import Account, Batch, Commit, ProducerMark, Store
from broker.store_health import StoreHealth
from broker.topic_messages import BlockLimits
from broker.topics import Topic
from protocol.reasons import Reason, RequestRefused

ASKER = "the log"
# Whether publishes have waited too long is looked up so often, while a commit has no answer.
SOONEST_LOOK_S = 0.01
LATEST_LOOK_S = 1.0

PRODUCER_TAKEN_OVER = RequestRefused(
    Reason.TAKEN_OVER,
    "a newer session of this producer has taken over, or its account is gone; this was not stored",
)
TOPIC_GONE = RequestRefused(
    Reason.STORE_UNAVAILABLE,
    "a topic that this was published to, or something sent together with it, was deleted"
    " meanwhile, so nothing of it was stored; publish the rest again",
)


@dataclass(frozen=True, slots=True)
class LogLimits:
    """`commit_bytes` bounds one commit; `wait_s` is how long a publish waits for the store.

    A commit is mostly smaller: as large as a block, or as all that goes before it. Were all that
    comes during one taken by the next, hardly anything would come during that one, and the
    broker and the store would wait for each other in turn.
    """

    block: BlockLimits
    commit_bytes: int
    wait_s: float


class Log:
    """Appends to topics and hands out what is on disk.

    `deliver(topic, block)` is called for each block in seq order, right after its commit and
    before the publishers are answered. A topic's head has moved when it is called. Messages
    that were stored scattered become a block only where somebody is live on their topic.
    """

    def __init__(
        self,
        store: Store,
        cache: BlockCache,
        limits: LogLimits,
        deliver: Callable[[Topic, Block], None],
        health: StoreHealth | None = None,
    ) -> None:
        self._store = store
        self.store_health = health or StoreHealth()
        self._cache = cache
        self.limits = limits
        self.scatters = False  # whether the store takes scattered messages
        self._deliver = deliver
        self._waiting: deque[Gathering] = deque()  # the last one still gathers
        self._room = 0  # with so many bytes it is full
        self._arrived = asyncio.Event()
        self._committing: Gathering | None = None
        self._just_stored: tuple[Gathering, Sequence[Block], Page, Commit] | None = None
        self._closed: RequestRefused | None = None
        self._looking: asyncio.TimerHandle  # while a commit has no answer
        self.commits = 0  # since the start
        self.messages = 0  # stored and delivered since the start
        self.latencies = Latencies()

    @property
    def closed(self) -> RequestRefused | None:
        """Why nothing can be appended just now, or None."""
        return self._closed

    def close(self, reason: Reason, text: str) -> None:
        """Refuse appends from now on; what was accepted is carried out."""
        self._closed = RequestRefused(reason, text)

    def reopen(self) -> None:
        self._closed = None

    def append(
        self,
        account: Account,
        runs: Sequence[TopicRun],
        *,
        owner: object,
        settle: Callable[[Ticket, RequestRefused | None], None],
        whole: bool = False,
        mark: ProducerMark | None = None,
    ) -> Ticket:
        """Accept `runs` of messages for the next commit and return the owner's ticket for it.

        Messages of one owner keep their order. `settle` is called with the ticket once all
        of it is on disk, or will not be. The messages of one call go into one commit.
        """
        gathering = self._gathering()
        ticket = gathering.tickets.get(owner)
        by_block = mark is not None and self.limits.block.keep_whole
        if ticket is not None and by_block and len(ticket.runs) + len(runs) > MOST_RUNS:
            # What a store that keeps block by block writes with each block is to stay short.
            gathering = self._begin_gathering()
        ticket = gathering.ticket(owner, settle)
        for topic, messages, ids in runs:
            gathering.add(topic, account, messages, ids, whole, ticket)
        if mark is not None:
            gathering.mark(mark, ticket)
        return ticket

    def append_alternating(
        self,
        account: Account,
        publishes: Publishes,
        *,
        owner: object,
        settle: Callable[[Ticket, RequestRefused | None], None],
        mark: ProducerMark | None = None,
    ) -> Ticket:
        """Accept messages that go from topic to topic, as `append` does.

        With a mark only where the store does not keep block by block.
        """
        gathering = self._gathering()
        ticket = gathering.ticket(owner, settle)
        if self.scatters and publishes.scattered:
            gathering.add_scattered(publishes, account, ticket)
        else:
            gathering.add_alternating(publishes, account, ticket)
        if mark is not None:
            gathering.mark(mark, ticket)
        return ticket

    async def run(self) -> None:
        """Commit what arrives, until cancelled. Cancelling leaves commits unanswered."""
        while True:
            await self._arrived.wait()
            while self._waiting:
                self._committing = self._waiting.popleft()
                await self._commit(self._committing)
                if not self._waiting:
                    self._finish_stored()  # an answer may bring the next publish
            self._committing = None
            self._arrived.clear()

    async def drain(self) -> None:
        """Return when every append that has been accepted by now is settled."""
        for gathering in self._unfinished:
            await gathering.settled.wait()

    async def find_out(self) -> None:
        """Return when it is known whether every append accepted by now is stored.

        That can be long after its publisher was told that it is not known.
        """
        # Each of them: those that wait behind a lost commit are refused, and so known, first.
        for gathering in self._unfinished:
            await gathering.known.wait()

    @property
    def _unfinished(self) -> list[Gathering]:
        """What is being committed and what waits for that, as it is now."""
        committing = [] if self._committing is None else [self._committing]
        return [*committing, *self._waiting]

    def _gathering(self) -> Gathering:
        """Return what gathers for the next commit, begun anew where that one is full."""
        if not self._waiting or self._waiting[-1].size >= self._room:
            return self._begin_gathering()
        return self._waiting[-1]

    def _begin_gathering(self) -> Gathering:
        ahead = sum(gathering.size for gathering in self._unfinished)
        self._room = min(max(self.limits.block.size, ahead), self.limits.commit_bytes)
        self._waiting.append(Gathering(self._now()))
        self._arrived.set()
        return self._waiting[-1]

    async def _commit(self, gathering: Gathering) -> None:
        """Store `gathering`; what was stored before it is delivered meanwhile."""
        while True:
            page = gathering.page() if self.scatters else NOTHING_SCATTERED
            blocks = gathering.blocks(self.limits.block, page)
            by_block = self.limits.block.keep_whole
            batch = gathering.batch(secrets.randbits(63), blocks, page, with_ids=by_block)
            try:
                commit = await self._stored(gathering, batch)
            except BatchOutdated as outdated:
                self.store_health.answered(ASKER)
                if self._take_out(gathering, outdated):
                    continue  # with what is left
                commit = None
            except StoreRefused as error:
                self.store_health.answered(ASKER)
                self.store_health.refused_commit(error)
                self._refuse(gathering, f"the store refused to take the message: {error}")
                commit = None
            break
        if commit is None:
            gathering.known.set()
        else:
            self._just_stored = (gathering, blocks, page, commit)

    def _take_out(self, gathering: Gathering, outdated: BatchOutdated) -> bool:
        """Refuse what another broker's doing has made impossible; return whether more is left."""
        for ticket in gathering.take_out(outdated):
            taken_over = ticket.producer in outdated.producers
            ticket.settle(ticket, PRODUCER_TAKEN_OVER if taken_over else TOPIC_GONE)
        if not gathering.tickets:
            gathering.settled.set()
        return bool(gathering.tickets)

    def _finish_stored(self) -> None:
        """Deliver the blocks of the newest commit and answer its publishers."""
        if self._just_stored is None:
            return
        (gathering, blocks, page, commit), self._just_stored = self._just_stored, None
        self.commits += 1
        self._hand_out(gathering.committed(blocks, commit))
        self._hand_out(page.committed(commit, self.limits.block))
        count = sum(block.count for block in blocks) + len(page)
        self.messages += count
        now = self._now()
        self.latencies.add(now - gathering.began, count, now)
        _settle(gathering, None)
        gathering.known.set()

    def _hand_out(self, committed: Iterable[tuple[Topic, Block]]) -> None:
        for topic, block in committed:
            if not topic.deleted:  # another one may have its name by now
                self._cache.add(block)
            topic.head = max(topic.head, block.last_seq)
            self._deliver(topic, block)

    async def _stored(self, gathering: Gathering, batch: Batch) -> Commit | None:
        """Store `batch` once, through any number of lost connections.

        When the store stays away for too long the publishers are told, and the batch is
        only looked for: None is returned where it was not stored.
        """
        ask: Callable[[Batch], Coroutine[None, None, Commit | None]] = self._store.append
        attempt = 0
        while True:
            try:
                answer = await self._answer(ask(batch))
                self.store_health.answered(ASKER)
                self.store_health.took_commit()
                return answer
            except StoreLost as error:
                self.store_health.failed(ASKER, error)
            if self._now() - gathering.began > self.limits.wait_s:
                self._refuse_late(gathering)
                ask = self._store.find_commit
            await asyncio.sleep(_pause_s(attempt))
            attempt += 1

    async def _answer(self, asking: Coroutine[None, None, Commit | None]) -> Commit | None:
        """Return what the store answers, however long that takes.

        What was stored before is delivered meanwhile. Publishers whose time is over are told: a
        store can be silent for much longer than it takes to find out that a connection broke.
        """
        self._look_later()
        try:
            if self._just_stored is None:
                return await asking  # by a task it would be later: two turns of the loop
            return await self._finish_meanwhile(asyncio.create_task(asking))
        finally:
            self._looking.cancel()

    async def _finish_meanwhile(self, asked: "asyncio.Task[Commit | None]") -> Commit | None:
        """Deliver what was stored before, and return what is `asked`."""
        try:
            await asyncio.sleep(0)  # so that the store is at work already
            self._finish_stored()
            return await asked
        except asyncio.CancelledError:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            raise

    def _look_later(self) -> None:
        """Look when the oldest publish that is not answered has waited for long enough."""
        oldest = next((one.began for one in self._unfinished if one.tickets), self._now())
        wait_s = oldest + self.limits.wait_s - self._now()
        pause_s = min(max(wait_s, SOONEST_LOOK_S), LATEST_LOOK_S)
        self._looking = asyncio.get_running_loop().call_later(pause_s, self._look)

    def _look(self) -> None:
        committing = self._committing
        assert committing is not None
        late = self._now() - self.limits.wait_s
        if any(one.tickets and one.began <= late for one in self._unfinished):
            self.store_health.failed(ASKER, TimeoutError())
            self._refuse_late(committing)
        self._look_later()

    def _refuse_late(self, gathering: Gathering) -> None:
        self._refuse(
            gathering,
            f"the store has not answered for {self.limits.wait_s:g} s, so it is not"
            " known whether this was stored; publish it again when it answers",
        )

    def _refuse(self, gathering: Gathering, text: str) -> None:
        """Tell the publishers of `gathering`, and those of all that waits behind it.

        Were later messages stored, they would have overtaken the refused ones.
        """
        refused = RequestRefused(Reason.STORE_UNAVAILABLE, text)
        _settle(gathering, refused)
        while self._waiting:
            waiting = self._waiting.popleft()
            _settle(waiting, refused)
            waiting.known.set()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _settle(gathering: Gathering, refused: RequestRefused | None) -> None:
    """Answer every ticket, once."""
    tickets, gathering.tickets = gathering.tickets, {}
    for ticket in tickets.values():
        ticket.settle(ticket, refused)
    gathering.settled.set()


def _pause_s(attempt: int) -> float:
    """Return a pause that doubles up to a second, spread so that brokers do not march in step."""
    # The exponent is bounded because 2.0**1024 is no float: that is where a quarter of an hour
    # without the store leads to.
    return min(0.02 * 2.0 ** min(attempt, 10), 1.0) * random.uniform(0.5, 1.0)
