"""A publisher and a subscriber on bare lines, and what became of each message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from tests.patience import until
from tests.wire import Wire

TOPIC = "T"
NOT_YET = "store_unavailable"


class Shop:
    """p@b.c publishes to the topic T under rising ids, and s@b.c is subscribed to it."""

    def __init__(self, port: int, publisher: Wire, subscriber: Wire) -> None:
        self.port = port
        self.publisher = publisher
        self.subscriber = subscriber
        self.stored: list[str] = []  # what was published and answered with success
        self._came: list[str] = []
        self._id = 0

    @classmethod
    @asynccontextmanager
    async def on(cls, port: int) -> AsyncIterator[Self]:
        """Make the accounts and the topic on a new broker, and sign out in the end."""
        async with wires(port, 2) as (publisher, subscriber):
            shop = cls(port, publisher, subscriber)
            await shop._open()
            try:
                yield shop
            finally:
                for wire in (shop.publisher, shop.subscriber):  # which may be others by now
                    await wire.close()

    async def _open(self) -> None:
        publisher, subscriber = self.publisher, self.subscriber
        who = {"user_email": "p@b.c", "user_type": "publisher"}
        good(await publisher.ask("create", **who, version=2, producer="till"))
        good(await publisher.ask("create_topic", topic_name=TOPIC))
        who = {"user_email": "s@b.c", "user_type": "subscriber"}
        good(await subscriber.ask("create", **who, version=2))
        good(await subscriber.ask("subscribe", topic_name=TOPIC))

    def send(self, text: str, topic: str = TOPIC) -> int:
        """Publish without waiting for the answer; return the id."""
        self._id += 1
        self.publisher.send("publish_msg", topic_name=topic, msg=text, id=self._id)
        return self._id

    def skip_ids(self, count: int) -> None:
        """So many ids have been given to publishes of something else."""
        self._id += count

    async def publish(self, text: str) -> dict[str, Any]:
        """Publish, and return the answer."""
        self.send(text)
        answer = await self.publisher.read()
        if answer["action"] == "success":
            self.stored.append(text)
        return answer

    async def sign_in_again(self) -> int:
        """Connect the publisher anew, and return the newest id that is stored.

        It asks again where the broker does not know that yet, as it is told to.
        """
        await self.publisher.close()
        self.publisher = await Wire.open(self.port)
        answer: dict[str, Any] = {}

        async def known() -> bool:
            nonlocal answer
            who = {"user_email": "p@b.c", "version": 2, "producer": "till"}
            answer = await self.publisher.ask("connect", **who)
            return answer.get("reason") != NOT_YET

        await until(known)
        last_id: int = good(answer)["last_id"]
        return last_id

    async def check(self) -> None:
        """All that was stored by now has come, once and in order, under the seqs from 1 on."""
        await self.subscriber_has(len(self.stored))
        assert self._came == self.stored
        self.subscriber.send("ping", id="no more")
        assert await self.subscriber.read() == {"action": "success", "id": "no more", "code": 0}

    async def subscriber_has(self, count: int) -> None:
        """Return when so many messages have come, under the seqs from 1 on."""
        while len(self._came) < count:
            block = await self.subscriber.read()
            assert block["action"] in ("broadcast", "unread")
            assert block["seq"] == len(self._came) + 1
            self._came += block["messages"]

    def begin_again(self) -> None:
        """Expect everything from the first message on."""
        self._came = []


@asynccontextmanager
async def wires(port: int, count: int) -> AsyncIterator[list[Wire]]:
    """So many connections, closed in the end."""
    opened: list[Wire] = []
    try:
        for _ in range(count):
            opened.append(await Wire.open(port))
        yield opened
    finally:
        for wire in opened:
            await wire.close()


def good(answer: dict[str, Any]) -> dict[str, Any]:
    """Return `answer`, which is no error."""
    assert answer["action"] != "error", answer
    return answer
