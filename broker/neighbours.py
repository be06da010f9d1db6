"""The other brokers on the same store: what they are told, and what comes of what they tell.

What is told may be lost, and nothing depends on its coming: seqs are given by the store,
epochs keep a session that was taken over from changing anything, and a slow look at the
topics finds what nobody has told. News only make it quick.
"""

import asyncio
import logging
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from broker.events import Event, tell
from broker.store.errors import StoreError
from broker.store.interface import ProducerMark
from broker.topics import Topic

if TYPE_CHECKING:
    from broker.hub import Hub

GREET_S = 3.0  # how often a broker says that it is there
FORGET_S = 10.0  # a broker that has not been heard of for so long is none
LOOK_S = 1.0  # between two looks at the topics that nobody asked for, where there are others
LOOK_ALONE_S = 5.0  # and where there are none
SHARE = 10  # a look that took long is followed by a pause so many times as long
RETRY_S = 0.5
HEADS_AT_ONCE = 200  # in one piece of news
HEADS_LIMIT = 1_000  # with more, the others look at all

_logger = logging.getLogger("pubsub.neighbours")


class Told(msgspec.Struct, tag_field="news", kw_only=True):
    """What a broker tells the others; `broker` says which one."""

    broker: str = ""


class Here(Told, tag="here"):
    """It is there. One that is `new` wants to know who else is, and what it has missed."""

    new: bool = False


class Heads(Told, tag="heads"):
    """Topics have grown, each up to a seq."""

    heads: list[tuple[int, int]]


class TopicsChanged(Told, tag="topics"):
    """Topics were made or deleted, or more have grown than can be told."""


class SessionBegan(Told, tag="session"):
    account_id: int
    epoch: int


class ProducerBegan(Told, tag="producer"):
    account_id: int
    producer: str
    epoch: int


class PasswordChanged(Told, tag="password"):
    account_id: int


class AccountDeleted(Told, tag="account"):
    account_id: int


News = (
    Here | Heads | TopicsChanged | SessionBegan | ProducerBegan | PasswordChanged | AccountDeleted
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(News).decode


class Neighbours:
    """Tells and hears. Where there are no others, nothing is told but that this broker is there."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._name = secrets.token_hex(8)
        self._heard_at: dict[str, float] = {}  # other brokers, and when they were last heard of
        self._news: list[News] = []  # to be told
        self._heads: dict[int, int] = {}  # to be told, by topic
        self._something = asyncio.Event()  # there is
        self._missed = asyncio.Event()  # something may have been, so look
        self._looks = 0  # begun
        self._looking = asyncio.Lock()
        self._look_pause_s = 0.0

    @property
    def others(self) -> int:
        """How many other brokers have been heard of lately."""
        return len(self._heard_at)

    async def run(self) -> None:
        """Tell, look and greet, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_telling())
            group.create_task(self._keep_looking())
            group.create_task(self._keep_greeting())

    def _count(self) -> str:
        return f"others that are there: {self.others}"

    # telling

    def tell_head(self, topic: Topic) -> None:
        """The topic has grown. What grows while news are on their way is told together."""
        self._heads[topic.id] = topic.head
        self._something.set()

    def tell_topics_changed(self) -> None:
        self._tell(TopicsChanged())

    def tell_session_began(self, account_id: int, epoch: int) -> None:
        self._tell(SessionBegan(account_id=account_id, epoch=epoch))

    def tell_producer_began(self, mark: ProducerMark) -> None:
        self._tell(
            ProducerBegan(account_id=mark.account_id, producer=mark.producer, epoch=mark.epoch)
        )

    def tell_password_changed(self, account_id: int) -> None:
        self._tell(PasswordChanged(account_id=account_id))

    def tell_account_deleted(self, account_id: int) -> None:
        self._tell(AccountDeleted(account_id=account_id))

    def _tell(self, news: News) -> None:
        if self.others:
            self._news.append(news)
            self._something.set()

    async def _keep_telling(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            heads, self._heads = self._heads, {}
            news, self._news = self._news, []
            for one in [*news, *_of_heads(heads)]:
                await self._told(one)

    async def _told(self, news: News) -> None:
        """Tell `news`, unless the store does not answer: then the others find out by looking."""
        news.broker = self._name
        try:
            await self._hub.store.tell(_encode(news).decode())
        except StoreError as error:
            _logger.debug("news were not told: %s", error)
            await asyncio.sleep(RETRY_S)

    async def _keep_greeting(self) -> None:
        loop = asyncio.get_running_loop()
        await self._told(Here(new=True))
        while True:
            await asyncio.sleep(GREET_S)
            await self._told(Here())
            before = loop.time() - FORGET_S
            for name in [name for name, heard in self._heard_at.items() if heard < before]:
                del self._heard_at[name]
                tell(Event.OTHER_GONE, f"another broker on this store is gone; {self._count()}")

    # hearing

    def heard(self, text: str | None) -> None:
        """Take news that the store brings, from this broker too. None: some were missed."""
        if text is None:
            self._missed.set()
            return
        try:
            news = _decode(text)
        except msgspec.DecodeError:
            _logger.warning("what was told by another broker makes no sense to this one")
            return
        if news.broker != self._name:
            self._note(news.broker)
            self._take(news)

    def _note(self, name: str) -> None:
        if name not in self._heard_at:
            self._heard_at[name] = 0.0
            tell(Event.OTHER_FOUND, f"another broker serves this store too; {self._count()}")
            self._missed.set()  # what it did before it knew of this one
        self._heard_at[name] = asyncio.get_running_loop().time()

    def _take(self, news: News) -> None:
        hub = self._hub
        match news:
            case Here(new=True):
                self._tell(Here())
                self._tell(TopicsChanged())  # what this broker did before it knew of that one
            case Heads(heads=heads):
                self._heads_moved(heads)
            case TopicsChanged():
                self._missed.set()
            case SessionBegan(account_id=account_id, epoch=epoch):
                hub.end_older(account_id, epoch)
            case ProducerBegan(account_id=account_id, producer=producer, epoch=epoch):
                hub.end_older_producer(account_id, producer, epoch)
            case PasswordChanged(account_id=account_id):
                hub.password_changed(account_id)
            case AccountDeleted(account_id=account_id):
                hub.removal.expel(account_id)

    def _heads_moved(self, heads: list[tuple[int, int]]) -> None:
        for topic_id, head in heads:
            topic = self._hub.topics.by_id(topic_id)
            if topic is None:
                self._missed.set()
            else:
                self._hub.head_moved(topic, head)

    # looking

    async def look(self) -> None:
        """Look at the topics there are; return when what had been done before is known here.

        Who asks while somebody looks shares the next look with all who do.

        Raises:
            StoreError: the store does not answer.
        """
        asked = self._looks
        async with self._looking:
            if self._looks == asked:
                await asyncio.sleep(self._look_pause_s)
                self._looks += 1
                await self._look()

    async def _look(self) -> None:
        hub, loop = self._hub, asyncio.get_running_loop()
        began = loop.time()
        known = [*hub.topics]
        records = await hub.store.topics()
        there = {record.id for record in records}
        for record in records:
            hub.know(record)
        for topic in known:
            if topic.id not in there and not topic.deleted:
                hub.removal.forget(topic)
        self._look_pause_s = SHARE * (loop.time() - began)

    async def _keep_looking(self) -> None:
        """Look when something was missed, and every now and then."""
        while True:
            pause_s = LOOK_S if self.others else LOOK_ALONE_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._missed.wait()
            self._missed.clear()
            try:
                await self.look()
                self._hub.store_health.answered("to look at the topics")
            except StoreError as error:
                self._hub.store_health.failed("to look at the topics", error)
                await asyncio.sleep(RETRY_S)


def _of_heads(heads: dict[int, int]) -> list[News]:
    if len(heads) > HEADS_LIMIT:
        return [TopicsChanged()]
    pairs = [*heads.items()]
    return [
        Heads(heads=pairs[start : start + HEADS_AT_ONCE])
        for start in range(0, len(pairs), HEADS_AT_ONCE)
    ]
