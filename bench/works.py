"""The works: what is asked of the broker, and the figure that comes out."""

import secrets
from collections.abc import Sequence
from itertools import count, cycle, islice

from bench.crowd import Crowd
from bench.dialect import Pubsub
from bench.library import LibraryPublisher, LibrarySubscriber
from bench.load import Job
from bench.processes import memory_bytes
from bench.publishers import Publishers
from bench.round import Round, run_timed
from bench.scale import Scale
from bench.subscribers import Subscribers
from bench.target import Target
from bench.wire import Address, Wire, request

FIRST_OF_A_CROWD = 50  # connections before memory is looked at: what is made once is there then


class Works:
    """All works against one broker, each round in a topic and with accounts of its own.

    Every method raises `Wrong` where something was lost, doubled, reordered or damaged.
    """

    def __init__(self, target: Target, version: int) -> None:
        self._target = target
        self._version = version
        self._prefix = f"bench-{secrets.token_hex(4)}"  # the broker may have seen runs before
        self._numbers = count(1)

    @property
    def can_restart(self) -> bool:
        """Whether the broker is ours to restart."""
        return self._target.can_restart

    def publish(self, scale: Scale) -> Round:
        """One publisher, one subscriber: acknowledged and delivered messages a second."""
        each = scale.publish_messages
        topic = self._topic()
        publishing = self._publishing(topic, 1, each, scale.in_flight)
        timed = run_timed(self._target, [self._live(topic, 1, each), publishing])
        return timed.round(each, first="publishers", block=self._block(topic, 1, each))

    def library(self, scale: Scale) -> Round:
        """The same with the client library: messages stored and taken a second."""
        each = scale.library_messages
        topic, target = self._topic(), self._target
        subscriber = LibrarySubscriber(target.farthest, self._account("subscriber"), topic, each)
        publisher = LibraryPublisher(target.address, self._account("publisher"), topic, each)
        timed = run_timed(self._target, [subscriber, publisher])
        return timed.round(each, first="publishers", block=self._block(topic, 1, each))

    def fanout(self, scale: Scale) -> Round:
        """One publisher, many subscribers: deliveries a second."""
        each = scale.fanout_messages
        topic = self._topic()
        shares = _shares(scale.subscribers, scale.reading_processes)
        jobs: list[Job] = [
            self._live(topic, share, each, address)
            for share, address in zip(shares, cycle(self._target.addresses), strict=False)
        ]
        jobs.append(self._publishing(topic, 1, each, scale.in_flight))
        timed = run_timed(self._target, jobs)
        deliveries = each * scale.subscribers
        return timed.round(deliveries, first="publishers", block=self._block(topic, 1, each))

    def ingest(self, scale: Scale) -> Round:
        """Many publishers: acknowledged messages a second."""
        each, publishers = scale.ingest_each, scale.publishers
        topic = self._topic()
        timed = run_timed(self._target, self._spread(topic, publishers, each, scale.in_flight_each))
        block = self._block(topic, publishers, each)
        return timed.round(each * publishers, first="publishers", block=block)

    def unread(self, scale: Scale) -> Round:
        """One subscriber comes back to what is in the broker's cache: messages a second."""
        return self._come_back(self._backlog(scale), scale)

    def unread_from_store(self, scales: Sequence[Scale]) -> list[Round]:
        """The same after a restart, which the backlogs of all `scales` go through together."""
        away = [self._backlog(scale) for scale in scales]
        self._target.restart()
        return [
            self._come_back(account, scale) for account, scale in zip(away, scales, strict=True)
        ]

    def latency(self, scale: Scale) -> Round:
        """One message every so often: milliseconds from its publish to its delivery."""
        each = scale.latency_messages
        topic = self._topic()
        publishing = self._publishing(topic, 1, each, 1, per_s=scale.per_s)
        return run_timed(self._target, [self._live(topic, 1, each), publishing]).waiting(each)

    def idle(self, scale: Scale, connections: int) -> Round:
        """A crowd that is connected: bytes for each, and milliseconds until each is served."""
        if self.can_restart:
            self._target.restart()  # memory that an earlier crowd left would be used again
        topic, each = self._topic(), scale.idle_messages
        run_timed(self._target, [self._crowd(topic, FIRST_OF_A_CROWD, 0)])
        publishing = self._publishing(topic, 1, each, 1, per_s=scale.idle_per_s)
        crowd = self._crowd(topic, connections, each)
        used = [memory_bytes(self._target.pid)]
        timed = run_timed(
            self._target,
            [crowd, publishing],
            prepared=lambda: used.append(memory_bytes(self._target.pid)),
        )
        before, after = used
        if before is None or after is None:
            return timed.serving(connections * each, None)
        return timed.serving(connections * each, (after - before) / connections)

    # what the works are made of

    def _crowd(self, topic: str, connections: int, each: int) -> Crowd:
        """Return subscribers who make their accounts themselves, on the connection they keep."""
        subscribe = request("subscribe", topic_name=topic)
        numbers = islice(self._numbers, connections)
        openings = [
            request(
                "create",
                user_email=f"{self._prefix}-{number}@example.com",
                user_type="subscriber",
                version=self._version,
            )
            + subscribe
            for number in numbers
        ]
        return Crowd(self._target.address, self._version, openings, 2, each)

    def _backlog(self, scale: Scale) -> str:
        """Leave messages waiting, and return whom for."""
        topic, subscriber = self._topic(), self._account("subscriber")
        with Wire(self._target.address) as wire:
            wire.ask("connect", user_email=subscriber)
            wire.ask("subscribe", topic_name=topic)
        job = self._publishing(topic, 1, scale.unread_messages, scale.in_flight)
        run_timed(self._target, [job])
        return subscriber

    def _come_back(self, subscriber: str, scale: Scale) -> Round:
        opening = request("connect", user_email=subscriber, version=self._version)
        each = scale.unread_messages
        job = Subscribers(self._target.address, self._version, [opening], 1, 1, each, live=False)
        return run_timed(self._target, [job]).round(each, first="subscribers")

    def _block(self, topic: str, publishers: int, each: int) -> float:
        """Read a topic from its start, and return how many messages a block has on average."""
        subscriber = self._account("subscriber")
        opening = request("connect", user_email=subscriber, version=2)
        opening += request("subscribe", topic_name=topic, from_="all")
        job = Subscribers(self._target.address, 2, [opening], 2, publishers, each, live=False)
        (lines,) = run_timed(self._target, [job]).checked
        assert isinstance(lines, int)
        return publishers * each / lines

    def _live(
        self, topic: str, readers: int, each: int, address: Address | None = None
    ) -> Subscribers:
        """Return subscribers that are there before the one publisher begins."""
        address = address or self._target.farthest
        subscribe = request("subscribe", topic_name=topic)
        openings = [
            request("connect", user_email=account, version=self._version) + subscribe
            for account in self._accounts("subscriber", readers)
        ]
        return Subscribers(address, self._version, openings, 2, 1, each)

    def _spread(self, topic: str, publishers: int, each: int, in_flight: int) -> list[Job]:
        """Return publishers, as many at each address as goes."""
        jobs: list[Job] = []
        first, addresses = 0, self._target.addresses
        for share, address in zip(_shares(publishers, len(addresses)), addresses, strict=False):
            accounts = self._accounts("publisher", share)
            dialect = Pubsub(self._version)
            jobs.append(Publishers(address, dialect, accounts, topic, each, in_flight, first=first))
            first += share
        return jobs

    def _publishing(
        self, topic: str, publishers: int, each: int, in_flight: int, per_s: float | None = None
    ) -> Publishers:
        accounts = self._accounts("publisher", publishers)
        address = self._target.address
        return Publishers(address, Pubsub(self._version), accounts, topic, each, in_flight, per_s)

    def _topic(self) -> str:
        name = f"{self._prefix}-{next(self._numbers)}"
        with Wire(self._target.address) as wire:
            wire.ask("connect", user_email=self._account("publisher"))
            wire.ask("create_topic", topic_name=name)
        return name

    def _account(self, role: str) -> str:
        return self._accounts(role, 1)[0]

    def _accounts(self, role: str, number: int) -> list[str]:
        accounts = [f"{self._prefix}-{next(self._numbers)}@example.com" for _ in range(number)]
        with Wire(self._target.address) as wire:
            for account in accounts:
                wire.ask("create", user_email=account, user_type=role)
        return accounts


def _shares(number: int, parts: int) -> list[int]:
    """Divide `number` as evenly as it goes; nobody gets nothing."""
    shares = [number // parts + (part < number % parts) for part in range(parts)]
    return [share for share in shares if share]
