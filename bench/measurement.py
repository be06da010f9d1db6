"""The order of things: warm up, measure a few rounds, then measure the machine."""

from collections.abc import Callable, Sequence

from bench.limits import BareStore, Limit, writes
from bench.outcome import Outcome, crowd, delay, speed, typical_block
from bench.progress import say
from bench.round import Round
from bench.scale import Scale
from bench.works import Works

FULL_FRAME = 1_000  # lines in a bare write where the broker's blocks were not counted


class Measurement:
    """Runs works, each first at a tenth of its scale to warm up.

    Right after a work comes the limit of the machine that stands beside it, so that both
    see the same machine. Without a `store` limits are left out.
    """

    def __init__(
        self, works: Works, scale: Scale, store: BareStore | None, *, warming_up: bool = True
    ) -> None:
        self._works = works
        self._scale = scale
        self._store = store
        self._warming_up = warming_up

    def run(self, name: str) -> list[Outcome]:
        """Return the outcomes of the work `name`, one of `WORKS`."""
        return WORKS[name](self)

    def publish(self) -> list[Outcome]:
        rounds = self._rounds("publish", self._works.publish)
        limit = self._inserts(rounds, self._scale.publish_messages, publishers=1)
        return [speed("publish", "messages/s", rounds, limit)]

    def library(self) -> list[Outcome]:
        rounds = self._rounds("library", self._works.library)
        limit = self._inserts(rounds, self._scale.library_messages, publishers=1)
        return [speed("library", "messages/s", rounds, limit)]

    def fanout(self) -> list[Outcome]:
        rounds = self._rounds("fanout", self._works.fanout)
        scale = self._scale
        limit = self._writes(rounds, scale.subscribers, scale.fanout_messages)
        return [speed("fanout", "deliveries/s", rounds, limit)]

    def ingest(self) -> list[Outcome]:
        rounds = self._rounds("ingest", self._works.ingest)
        scale = self._scale
        limit = self._inserts(rounds, scale.ingest_messages, publishers=scale.publishers)
        return [speed("ingest", "messages/s", rounds, limit)]

    def unread(self) -> list[Outcome]:
        """From the cache, and from the store where the broker is ours to restart."""
        rounds = self._rounds("unread", self._works.unread)
        limit = self._writes(rounds, 1, self._scale.unread_messages)
        outcomes = [speed("unread, from cache", "messages/s", rounds, limit)]
        if not self._works.can_restart:
            say("unread after a restart is left out: this broker is not ours to restart")
            return outcomes
        say("unread after a restart")
        warm_up = [self._scale.warm_up()] if self._warming_up else []
        scales = [*warm_up, *[self._scale] * self._scale.rounds]
        rounds = self._works.unread_from_store(scales)[len(warm_up) :]
        return [*outcomes, speed("unread, restarted", "messages/s", rounds, limit)]

    def latency(self) -> list[Outcome]:
        rounds = self._rounds("latency", self._works.latency)
        return [delay("latency", rounds, self.commits())]

    def idle(self) -> list[Outcome]:
        """One size of the crowd after the other."""
        return [self._idle(connections) for connections in self._scale.connections]

    def _idle(self, connections: int) -> Outcome:
        name = f"idle, {connections:,}"
        say(f"{name}: connecting")
        served = self._works.idle(self._scale, connections)
        _tell(name, served)
        limit = self._writes_to_all(connections, self._scale.idle_messages)
        return crowd(name, served, limit)

    def commits(self) -> Limit | None:
        """Return how many commits of one row the store does."""
        if self._store is None:
            return None
        return self._store.commits(self._scale.commits, self._scale.rounds)

    def _rounds(self, name: str, work: Callable[[Scale], Round]) -> list[Round]:
        if self._warming_up:
            say(f"{name}: warming up")
            work(self._scale.warm_up())
        rounds = []
        for number in range(1, self._scale.rounds + 1):
            rounds.append(work(self._scale))
            _tell(f"{name}: round {number} of {self._scale.rounds}", rounds[-1])
        return rounds

    def _inserts(self, rounds: Sequence[Round], messages: int, publishers: int) -> Limit | None:
        if self._store is None:
            return None
        return self._store.inserts(messages, _block(rounds), publishers, self._scale.rounds)

    def _writes(self, rounds: Sequence[Round], readers: int, messages: int) -> Limit | None:
        if self._store is None:
            return None
        return writes(readers, messages, _block(rounds), self._scale.rounds)

    def _writes_to_all(self, readers: int, messages: int) -> Limit | None:
        """Return how many times a second one message can be written to as many."""
        if self._store is None:
            return None
        limit = writes(readers, messages, 1, rounds=1)
        return Limit("bare writes to all", limit.best / readers, limit.median / readers)


WORKS: dict[str, Callable[[Measurement], list[Outcome]]] = {
    "publish": Measurement.publish,
    "library": Measurement.library,
    "fanout": Measurement.fanout,
    "ingest": Measurement.ingest,
    "unread": Measurement.unread,
    "latency": Measurement.latency,
    "idle": Measurement.idle,
}


def _tell(name: str, one: Round) -> None:
    told = ", ".join(f"{key} {value:,.4g}" for key, value in one.figures.items())
    say(f"{name}: {told}")


def _block(rounds: Sequence[Round]) -> int:
    return max(1, round(typical_block(rounds) or FULL_FRAME))
