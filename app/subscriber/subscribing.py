"""Beginning and ending subscriptions: shown as done at once, and taken back where refused."""

from collections.abc import Awaitable, Callable

from app.screens.words import count_of
from app.subscriber.receiving import Receiving
from app.subscriber.topics import Topic
from clients import RequestRefused, SessionEnded, Subscriber


class Subscribing:
    """Each method raises what the client does, when nothing has changed.

    `changed` is called whenever there is something else to show.
    """

    def __init__(
        self, client: Subscriber, receiving: Receiving, changed: Callable[[], None]
    ) -> None:
        self._client = client
        self._receiving = receiving
        self._changed = changed

    async def subscribe(self, topic: Topic) -> None:
        """Subscribe to what is published from now on."""
        self._receiving.forget(topic.name)
        await self._asked(topic, self._client.subscribe(topic.name), wanted=True)
        for one in await self._client.subscriptions():
            if one.topic_name == topic.name:
                self._receiving.begins_after(topic.name, one.cursor)

    async def subscribe_from_first(self, topic: Topic) -> None:
        """Subscribe to all there is, and to what comes."""
        name = topic.name
        self._receiving.forget(name)
        stored = count_of(topic.head - topic.tail, "stored message")
        self._receiving.expect_all(name, f"{name}: {stored}")
        try:
            await self._asked(topic, self._client.subscribe(name, "all"), wanted=True)
        except (RequestRefused, SessionEnded):
            self._receiving.forget(name)
            raise

    async def unsubscribe(self, topic: Topic) -> None:
        """End the subscription; what is unread of it is gone for this account."""
        await self._asked(topic, self._client.unsubscribe(topic.name), wanted=False)
        self._receiving.forget(topic.name)

    async def _asked(self, topic: Topic, answer: Awaitable[None], *, wanted: bool) -> None:
        topic.wanted = wanted
        self._changed()
        try:
            await answer
            topic.subscribed = wanted
        finally:
            topic.wanted = None
            self._changed()
