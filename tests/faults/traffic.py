"""Programs that publish and receive through any fault, and take down what they see.

A message's text names its topic, its publisher and its number, so that a version 1 subscriber,
who is not told the topic, knows it.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, Protocol

from clients import Publisher, RequestRefused, Subscriber
from clients.backoff import Backoff
from clients.outbox import Publication
from tests.faults.history import (
    Acknowledged,
    CaughtUp,
    Delivered,
    History,
    Refused,
    Sent,
    SignedIn,
    Unanswered,
)
from tests.wire import Wire

AT_ONCE = Backoff(first_s=0.01, longest_s=0.1)
RETRY_S = 0.02
PAUSE_S = 0.002  # for each message: a history has to fit into memory
SILENT_S = 5.0  # a raw client that hears nothing for so long connects anew

Pick = Callable[[], str]  # the topic of the next message


class Program(Protocol):
    """Runs until cancelled, or for publishers until `finish`."""

    name: str
    began: asyncio.Event  # its first session

    async def run(self) -> None: ...


class LibraryPublisher:
    """A version 2 publisher: what it sends is stored once, and it waits until it knows."""

    def __init__(
        self, name: str, ports: list[int], history: History, pick: Pick, at_once: int
    ) -> None:
        self.name = name
        self._brokers = addresses(ports)
        self._history = history
        self._pick = pick
        self._at_once = at_once
        self.began = asyncio.Event()
        self.finished = asyncio.Event()

    async def run(self) -> None:
        async with (
            Publisher(
                self._brokers, f"{self.name}@b.c", create=True, backoff=AT_ONCE, heartbeat_s=0.5
            ) as publisher,
            asyncio.TaskGroup() as answers,
        ):
            self.began.set()
            for number in count():
                if self.finished.is_set():
                    return
                topic = self._pick()
                text = f"{topic} {self.name} {number}"
                self._history.add(Sent(self.name, topic, text))
                publication = await publisher.send(topic, text)
                answers.create_task(self._note(topic, text, publication))
                if number % self._at_once == 0:
                    await asyncio.sleep(PAUSE_S * self._at_once)

    async def _note(self, topic: str, text: str, publication: Publication) -> None:
        try:
            receipt = await publication
        except RequestRefused:
            self._history.add(Refused(self.name, topic, text))
        else:
            self._history.add(Acknowledged(self.name, topic, text, receipt.seq))


class RawPublisher:
    """A version 1 publisher: it sends nothing twice, so what has no answer is in doubt."""

    def __init__(
        self, name: str, ports: list[int], history: History, pick: Pick, at_once: int
    ) -> None:
        self.name = name
        self._ports = ports
        self._history = history
        self._pick = pick
        self._at_once = at_once
        self.began = asyncio.Event()
        self._numbers = count()
        self.finished = asyncio.Event()

    async def run(self) -> None:
        for session in count(1):
            if self.finished.is_set():
                return
            # Order is promised to one connection: each counts as a publisher of its own.
            whose = f"{self.name}/{session}"
            await in_session(
                turn(self._ports, session), f"{self.name}@b.c", partial(self._publish, whose)
            )
            await asyncio.sleep(RETRY_S)

    async def _publish(self, whose: str, wire: Wire, answer: dict[str, Any]) -> None:
        self.began.set()
        waiting: deque[tuple[str, str]] = deque()
        try:
            while not self.finished.is_set():
                for _ in range(self._at_once):
                    topic = self._pick()
                    text = f"{topic} {self.name} {next(self._numbers)}"
                    waiting.append((topic, text))
                    self._history.add(Sent(whose, topic, text))
                    wire.send("publish_msg", topic_name=topic, msg=text)
                while waiting:
                    answer = await heard(wire)
                    topic, text = waiting.popleft()
                    if answer["action"] == "success":
                        self._history.add(Acknowledged(whose, topic, text))
                    else:
                        # Version 1 does not say whether the error is about this message.
                        self._history.add(Refused(whose, topic, text, in_doubt=True))
                await asyncio.sleep(PAUSE_S * self._at_once)
        finally:
            for topic, text in waiting:
                self._history.add(Unanswered(whose, topic, text))


class LibrarySubscriber:
    """A version 2 subscriber that takes each message once."""

    def __init__(self, name: str, ports: list[int], history: History) -> None:
        self.name = name
        self._brokers = addresses(ports)
        self._history = history
        self.began = asyncio.Event()

    async def run(self) -> None:
        self._history.add(SignedIn(self.name, 1))
        async with Subscriber(
            self._brokers, f"{self.name}@b.c", backoff=AT_ONCE, heartbeat_s=0.5
        ) as subscriber:
            self.began.set()
            async for message in subscriber:
                self._history.add(Delivered(self.name, 1, message.topic, message.text, message.seq))


class RawSubscriber:
    """A version 1 subscriber: it confirms nothing, and takes what comes."""

    def __init__(self, name: str, ports: list[int], history: History) -> None:
        self.name = name
        self._ports = ports
        self._history = history
        self.began = asyncio.Event()

    async def run(self) -> None:
        for session in count(1):
            await in_session(
                turn(self._ports, session), f"{self.name}@b.c", partial(self._listen, session)
            )
            await asyncio.sleep(RETRY_S)

    async def _listen(self, session: int, wire: Wire, answer: dict[str, Any]) -> None:
        self.began.set()
        self._history.add(SignedIn(self.name, session))
        while True:
            line = await heard(wire, ask=True)
            if line["action"] in ("unread", "broadcast"):
                self._take(line, session)

    def _take(self, line: dict[str, Any], session: int) -> None:
        text, unread = line["message"], line["action"] == "unread"
        topic = text.partition(" ")[0]
        self._history.add(Delivered(self.name, session, topic, text, None, unread))


class Visitor:
    """A version 2 subscriber that comes, takes all that is unread, confirms it and leaves."""

    def __init__(
        self, name: str, ports: list[int], history: History, away_s: Callable[[], float]
    ) -> None:
        self.name = name
        self._ports = ports
        self._history = history
        self._away_s = away_s
        self.began = asyncio.Event()
        self._known: dict[str, int] = {}  # the newest seq, by topic

    async def run(self) -> None:
        for session in count(1):
            await in_session(
                turn(self._ports, session),
                f"{self.name}@b.c",
                partial(self._visit, session),
                version=2,
            )
            await asyncio.sleep(self._away_s())

    async def _visit(self, session: int, wire: Wire, answer: dict[str, Any]) -> None:
        self.began.set()
        states = {one["topic_name"]: one for one in answer["subscriptions"]}
        unread = {topic: one["unread"] for topic, one in states.items()}
        self._history.add(SignedIn(self.name, session, unread))
        came: dict[str, int] = {topic: one["cursor"] for topic, one in states.items()}
        while any(came[topic] < one["head"] for topic, one in states.items()):
            line = await heard(wire)
            if line["action"] in ("unread", "broadcast"):
                self._take(line, session)
                came[line["topic_name"]] = line["seq"] + len(line["messages"]) - 1
        self._history.add(CaughtUp(self.name, session))
        for topic in came:
            wire.send("ack", topic_name=topic, seq=came[topic], id=topic)
        answered = 0
        while answered < len(came):
            line = await heard(wire)
            answered += "id" in line
            if line["action"] in ("unread", "broadcast"):
                self._take(line, session)

    def _take(self, line: dict[str, Any], session: int) -> None:
        topic, unread = line["topic_name"], line["action"] == "unread"
        for seq, text in enumerate(line["messages"], line["seq"]):
            skipped = seq <= self._known.get(topic, 0)
            self._history.add(Delivered(self.name, session, topic, text, seq, unread, skipped))
            self._known[topic] = max(seq, self._known.get(topic, 0))


class Ended(Exception):
    """The connection broke or fell silent."""


def addresses(ports: list[int]) -> str:
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def turn(ports: list[int], session: int) -> int:
    """Return where a session goes: each to the next broker."""
    return ports[session % len(ports)]


async def in_session(
    port: int, email: str, work: Callable[[Wire, dict[str, Any]], Awaitable[None]], **keys: Any
) -> None:
    """Sign in, and do `work` with the connection and the answer; return once either has ended."""
    with suppress(Ended, OSError):
        wire = await Wire.open(port)
        try:
            wire.send("connect", user_email=email, **keys)
            answer = await heard(wire)
            if answer["action"] == "success":
                await work(wire, answer)
        finally:
            wire.writer.transport.abort()


async def heard(wire: Wire, *, ask: bool = False) -> dict[str, Any]:
    """Return the next line. With `ask`, nothing is expected to come unasked.

    Raises:
        Ended: nothing will come any more.
    """
    try:
        async with asyncio.timeout(SILENT_S):
            line = await wire.reader.readline()
    except TimeoutError:
        if not ask:
            raise Ended from None
        wire.send("list_topics")
        return await heard(wire)
    if not line.endswith(b"\n"):
        raise Ended
    value: dict[str, Any] = json.loads(line)
    return value
