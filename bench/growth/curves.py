"""The curves: what is made larger, and what is measured at each size."""

import shutil
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import asyncpg

from bench.dialect import Lines, Pubsub
from bench.growth import filling
from bench.growth.svg import Chart, Line
from bench.messages import MARK, publish_v1, publish_v2, texts
from bench.processes import CpuTime, cpu_time
from bench.progress import say
from bench.publishers import Publishers
from bench.round import run_timed
from bench.scale import Scale
from bench.target import OwnTarget, Target
from bench.wire import PATIENCE_S, Wire, connected, request
from bench.works import Works

TOPIC = "growing"
ACCOUNT = "publisher@example.com"
AWAY = 100  # subscribers with a backlog, while others publish
SIGN_INS = 3  # of which the best counts
IN_TURN = 5  # times as many messages: a few for each of ten thousand topics are no measure

Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A curve: `fill` makes the store as large as the point says, `measure` looks at it."""

    name: str
    title: str
    across: str
    up: str
    points: Sequence[int]
    fill: Callable[[asyncpg.Connection, int], Awaitable[None]]
    measure: Callable[[OwnTarget, int, int], Figures]  # at a point, with so many messages

    def chart(self, folder: Path, messages: int, largest: int | None) -> Chart:
        """Measure at each point up to `largest`, at least at one, each on data of its own."""
        points = [
            point
            for place, point in enumerate(self.points)
            if place == 0 or largest is None or point <= largest
        ]
        figures = [self._at(point, folder / f"{self.name}-{point}", messages) for point in points]
        lines = [Line(name, [one[name] for one in figures]) for name in figures[0]]
        return Chart(self.title, self.across, self.up, points, lines)

    def _at(self, point: int, folder: Path, messages: int) -> Figures:
        folder.mkdir()
        data = folder / "data"
        filling.fill(data, lambda connection: self.fill(connection, point))
        with OwnTarget(folder, ["--data-dir", str(data)]) as target:
            figures = self.measure(target, point, messages)
        # What it holds of the page cache would make the next points dearer, up to a half.
        shutil.rmtree(folder)
        told = ", ".join(f"{name} {figure:,.4g}" for name, figure in figures.items())
        say(f"{self.name}, {point:,}: {told}")
        return figures


@dataclass(frozen=True)
class InTurn(Pubsub):
    """Publishes to so many topics, one after the other."""

    topics: int = 1

    def lines(self, topic: str, publisher: int, count: int) -> Lines:
        publish = publish_v1 if self.version == 1 else publish_v2
        names = [filling.in_turn(topic, place) for place in range(self.topics)]
        messages = enumerate(texts(publisher, count))
        return Lines(
            (publish(names[number % len(names)], number, text) for number, text in messages),
            count,
        )


def publishing(target: Target, dialect: Pubsub, messages: int) -> Figures:
    """Return the microseconds of processor time that a published message costs.

    All that the broker does with it counts, and not only until it is acknowledged: before topics
    are listed what is in the journal is moved to blocks. What the list itself costs does not count.
    """

    def publish(count: int) -> None:
        run_timed(target, [Publishers(target.address, dialect, [ACCOUNT], TOPIC, count, 1_000)])
        list_topics()

    def list_topics() -> None:
        wire.answer("list_topics")

    def cost(work: Callable[[], None]) -> CpuTime:
        before = cpu_time(target.pid)
        work()
        return cpu_time(target.pid).since(before)

    with Wire(target.address) as wire:
        wire.ask("create", user_email=ACCOUNT, user_type="publisher", version=2)
        publish(max(1, messages // 10))
        cpu = cost(lambda: publish(messages)).since(cost(list_topics))
    each = 1e6 / messages
    return {"broker": (cpu.broker or 0.0) * each, "postgres": (cpu.postgres or 0.0) * each}


def _publish(target: OwnTarget, _: int, messages: int) -> Figures:
    return publishing(target, Pubsub(1), messages)


def _publish_in_turn(target: OwnTarget, topics: int, messages: int, version: int) -> Figures:
    return publishing(target, InTurn(version, topics), IN_TURN * messages)


def _sign_in(target: OwnTarget, _: int, __: int) -> Figures:
    """Return the milliseconds from a sign-in to its first delivery, the cache being empty."""
    waits = []
    for _number in range(SIGN_INS):
        target.restart()
        waits.append(_first_delivery_ms(target))
    return {"first delivery": min(waits)}


def _first_delivery_ms(target: Target) -> float:
    with connected(target.address) as opened:
        opened.settimeout(PATIENCE_S)
        # Version 2 is not acknowledged for, so that all of it is there again the next time.
        opening = request("connect", user_email=_reader(1), version=2)
        started = time.monotonic_ns()
        opened.sendall(opening)
        while MARK not in opened.recv(65536, socket.MSG_NOSIGNAL):
            pass
        return (time.monotonic_ns() - started) / 1e6


def _crowd(target: OwnTarget, connections: int, _: int) -> Figures:
    scale = replace(Scale(), idle_messages=10)
    figures = Works(target, 1).idle(scale, connections).figures
    return {"median": figures["p50_ms"], "slowest": figures["slowest_ms"]}


def _reader(number: int) -> str:
    return f"reader-{number}@example.com"


async def _topics(connection: asyncpg.Connection, number: int) -> None:
    await filling.topics(connection, TOPIC, number)


async def _subscriptions(connection: asyncpg.Connection, number: int) -> None:
    await filling.topic_with(connection, TOPIC, filling.BLOCK)
    await filling.subscribed(connection, TOPIC, "reader", number, filling.BLOCK)


async def _long_log(connection: asyncpg.Connection, messages: int) -> None:
    await filling.topic_with(connection, TOPIC, messages)


async def _backlog(connection: asyncpg.Connection, messages: int, *, readers: int) -> None:
    await filling.topic_with(connection, TOPIC, messages)
    await filling.subscribed(connection, TOPIC, "reader", readers, 0)


async def _nothing(connection: asyncpg.Connection, _: int) -> None:
    """The measurement makes what it takes."""


US = "microseconds of processor time a message"

CURVES = [
    *(
        Curve(
            name=name,
            title=f"Publishing to all topics in turn, 1,000 in flight, version {version}",
            across="topics",
            up=US,
            points=(1, 10, 100, 1_000, 10_000),
            fill=_topics,
            measure=partial(_publish_in_turn, version=version),
        )
        for name, version in (("topics", 1), ("topics-v2", 2))
    ),
    Curve(
        name="subscriptions",
        title="Publishing to a topic with subscribers who are away",
        across="accounts, each with a subscription",
        up=US,
        points=(100, 1_000, 10_000, 100_000),
        fill=_subscriptions,
        measure=_publish,
    ),
    Curve(
        name="log",
        title="Publishing to a topic that has messages already",
        across="messages in the log",
        up=US,
        points=(1_000, 10_000, 100_000, 1_000_000, 10_000_000),
        fill=_long_log,
        measure=_publish,
    ),
    Curve(
        name="backlog",
        title=f"Publishing while {AWAY} subscribers have a backlog",
        across="unread messages of each of them",
        up=US,
        points=(1_000, 10_000, 100_000, 1_000_000),
        fill=partial(_backlog, readers=AWAY),
        measure=_publish,
    ),
    Curve(
        name="sign-in",
        title="From signing in to the first unread message, the cache being empty",
        across="unread messages",
        up="milliseconds",
        points=(1_000, 10_000, 100_000, 1_000_000),
        fill=partial(_backlog, readers=1),
        measure=_sign_in,
    ),
    Curve(
        name="connections",
        title="From a publish until subscribers have it",
        across="connected subscribers",
        up="milliseconds",
        points=(100, 1_000, 10_000),
        fill=_nothing,
        measure=_crowd,
    ),
]
