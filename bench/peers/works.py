"""The works, on another server: the same numbers, in the same order, with the same checks."""

from collections.abc import Callable
from itertools import count

from bench.load import Job
from bench.peers.readers import PeerSubscribers
from bench.peers.servers import Peer
from bench.processes import memory_bytes
from bench.publishers import Publishers
from bench.round import Round, run_timed
from bench.scale import Scale
from bench.target import Target


class PeerWorks:
    """All works against one peer, each round in a topic of its own.

    Every method raises `Wrong` where something was lost, doubled, reordered or damaged.
    """

    def __init__(self, peer: Peer, target: Target) -> None:
        self._peer = peer
        self._target = target
        self._numbers = count(1)

    def publish(self, scale: Scale) -> Round:
        each, topic = scale.publish_messages, self._topic()
        jobs = [self._reading(topic, 1, 1, each), self._publishing(topic, 1, each, scale.in_flight)]
        return run_timed(self._target, jobs).round(each, first="publishers")

    def fanout(self, scale: Scale) -> Round:
        each, topic, readers = scale.fanout_messages, self._topic(), scale.subscribers
        publishing = self._publishing(topic, 1, each, scale.in_flight)
        jobs = [self._reading(topic, readers, 1, each), publishing]
        return run_timed(self._target, jobs).round(each * readers, first="publishers")

    def ingest(self, scale: Scale) -> Round:
        each, topic = scale.ingest_each, self._topic()
        job = self._publishing(topic, scale.publishers, each, scale.in_flight_each)
        timed = run_timed(self._target, [job])
        checking = self._reading(topic, 1, scale.publishers, each, live=False)
        run_timed(self._target, [checking])
        return timed.round(each * scale.publishers, first="publishers")

    def unread(self, scale: Scale) -> Round:
        each, topic = scale.unread_messages, self._topic()
        run_timed(self._target, [self._publishing(topic, 1, each, scale.in_flight)])
        job = self._reading(topic, 1, 1, each, live=False)
        return run_timed(self._target, [job]).round(each, first="subscribers")

    def latency(self, scale: Scale) -> Round:
        each, topic = scale.latency_messages, self._topic()
        publishing = self._publishing(topic, 1, each, 1, per_s=scale.per_s)
        jobs = [self._reading(topic, 1, 1, each), publishing]
        return run_timed(self._target, jobs).waiting(each)

    def memory(self, scale: Scale) -> float | None:
        """Return the bytes that each of the first of `connections` subscribers takes."""
        number, topic = scale.connections[0], self._topic()
        used = [memory_bytes(self._target.pid)]
        jobs: list[Job] = [
            self._reading(topic, number, 1, 1),
            self._publishing(topic, 1, 1, 1),
        ]
        run_timed(self._target, jobs, lambda: used.append(memory_bytes(self._target.pid)))
        before, after = used
        return None if before is None or after is None else (after - before) / number

    def _topic(self) -> str:
        topic = f"bench-{next(self._numbers)}"
        self._peer.make_topic(self._target.address, topic)
        return topic

    def _reading(
        self, topic: str, number: int, publishers: int, each: int, *, live: bool = True
    ) -> Job:
        make = self._peer.reader
        return PeerSubscribers(self._target.address, make, topic, number, publishers, each, live)

    def _publishing(
        self, topic: str, publishers: int, each: int, in_flight: int, per_s: float | None = None
    ) -> Job:
        accounts = [str(number) for number in range(publishers)]
        dialect = self._peer.dialect()
        return Publishers(self._target.address, dialect, accounts, topic, each, in_flight, per_s)


Work = Callable[[PeerWorks, Scale], Round]

WORKS: dict[str, Work] = {
    "publish": PeerWorks.publish,
    "ingest": PeerWorks.ingest,
    "fanout": PeerWorks.fanout,
    "unread": PeerWorks.unread,
    "latency": PeerWorks.latency,
}
