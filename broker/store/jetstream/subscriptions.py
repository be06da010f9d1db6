"""What accounts are subscribed to: one record an account, with all its cursors.

That the cursors lie in one record with the epoch of the account's session makes a session
that begins fence the older ones with one write: what these save expects a revision that is
gone.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from broker.store.errors import Superseded
from broker.store.interface import CursorMove
from broker.store.jetstream.bucket import Bucket, Entry, Mirror
from broker.store.jetstream.connection import all_of
from broker.store.jetstream.producers import NEVER

Cursors = dict[int, int]  # by topic


class SubscriberRecord(msgspec.Struct, frozen=True):
    epoch: int
    cursors: Cursors = {}


class Subscriptions:
    """All accounts' subscriptions. What each is known to be is remembered with its revision."""

    def __init__(self, bucket: Bucket[SubscriberRecord]) -> None:
        self._bucket = bucket
        self._mirror: Mirror[SubscriberRecord] = Mirror(bucket, self._changed)
        self._by_topic: dict[int, dict[int, int]] = {}  # cursors, by topic and account
        self._cursors: dict[int, Cursors] = {}  # the same, by account
        self._known: dict[int, Entry[SubscriberRecord]] = {}  # of accounts that have a session

    async def begin(
        self, account: int, still_there: Callable[[Cursors], Awaitable[Cursors]]
    ) -> int | None:
        """Return the epoch of a session that begins; None where the account was deleted.

        Only the cursors that are `still_there` are kept.
        """
        while True:
            found = await self._bucket.get(str(account))
            record = found.value or SubscriberRecord(0)
            if record.epoch >= NEVER:
                return None
            begun = SubscriberRecord(record.epoch + 1, await still_there(record.cursors))
            if await self._put(account, begun, found.revision):
                return begun.epoch

    async def of(self, account: int) -> Cursors:
        found = await self._bucket.get(str(account))
        return found.value.cursors if found.value is not None else {}

    async def put(self, account: int, topic_id: int, cursor: int, epoch: int) -> None:
        await self._change(account, epoch, lambda cursors: cursors | {topic_id: cursor})

    async def remove(self, account: int, topic_id: int, epoch: int) -> bool:
        there = False

        def without(cursors: Cursors) -> Cursors:
            nonlocal there
            there = topic_id in cursors
            return {one: cursor for one, cursor in cursors.items() if one != topic_id}

        await self._change(account, epoch, without)
        return there

    async def save(self, moved: Sequence[CursorMove]) -> list[CursorMove]:
        by_session: dict[tuple[int, int], list[CursorMove]] = {}
        for move in moved:
            by_session.setdefault((move.account_id, move.epoch), []).append(move)
        refused: list[CursorMove] = []
        await all_of([partial(self._save, some, refused) for some in by_session.values()])
        return refused

    async def forget_account(self, account: int) -> None:
        """Let no session of the account move anything any more, nor another begin."""
        while True:
            found = await self._bucket.get(str(account))
            if await self._put(account, SubscriberRecord(NEVER), found.revision):
                self._known.pop(account, None)
                return

    async def by_topic(self) -> dict[int, dict[int, int]]:
        """Return the cursors of all subscriptions, by topic and account."""
        await self._mirror.refresh()
        return self._by_topic

    async def _save(self, moves: Sequence[CursorMove], refused: list[CursorMove]) -> None:
        def moved(cursors: Cursors) -> Cursors:
            new = {
                move.topic_id: move.seq
                for move in moves
                if move.seq > cursors.get(move.topic_id, move.seq)
            }
            return cursors | new

        try:
            await self._change(moves[0].account_id, moves[0].epoch, moved)
        except Superseded:
            refused += moves

    async def _change(self, account: int, epoch: int, change: Callable[[Cursors], Cursors]) -> None:
        """Change the account's cursors, in the name of the session with `epoch`."""
        found = self._known.get(account)
        while True:
            if found is None or found.value is None or found.value.epoch < epoch:
                found = await self._bucket.get(str(account))
            record = found.value
            if record is None or record.epoch != epoch:
                raise Superseded("a newer session of the account has begun")
            changed = SubscriberRecord(epoch, change(record.cursors))
            if changed == record or await self._put(account, changed, found.revision):
                return
            found = None

    async def _put(self, account: int, record: SubscriberRecord, revision: int) -> bool:
        self._known.pop(account, None)  # until there is an answer
        written = await self._bucket.put(str(account), record, revision)
        if written is None:
            return False
        self._known[account] = Entry(written, record)
        return True

    def _changed(self, key: str, record: SubscriberRecord | None) -> None:
        account = int(key)
        for topic_id in self._cursors.pop(account, {}):
            self._by_topic[topic_id].pop(account, None)
        if record is not None:
            self._cursors[account] = record.cursors
            for topic_id, cursor in record.cursors.items():
                self._by_topic.setdefault(topic_id, {})[account] = cursor
