"""Several brokers on one store, each of which can be broken, and the store as well."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from broker.store.embedded import EmbeddedPostgres
from tests.faults.history import History
from tests.faults.node import Node
from tests.faults.plan import FAULTS_A_ROUND, Plan, Step
from tests.faults.round import Faults, Progress, Round
from tests.faults.world import World
from tests.nats import NATS_ENV, NatsCluster, NatsServer

BROKERS = 3
FROZEN_S = 3.0  # longer than a client waits for a heartbeat

Break = Callable[["Cluster", random.Random], Awaitable[None]]


class SharedStore(Protocol):
    """A store that brokers share, and what can break of it."""

    faults: Faults
    env: Mapping[str, str]  # of brokers on it

    def __init__(self, folder: Path) -> None: ...

    def running(self) -> AbstractAsyncContextManager[list[str]]:
        """Run until the block is left; the options say where it is to a broker."""


class Cluster:
    """`BROKERS` brokers on `store`."""

    def __init__(self, folder: Path, history: History, store: SharedStore) -> None:
        self.history = history
        self.nodes: list[Node] = []
        self._folder = folder
        self._store = store
        self.faults: Faults = {
            **{name: partial(do, self) for name, do in BROKER_FAULTS.items()},
            **store.faults,
        }

    @property
    def ports(self) -> list[int]:
        return [node.port for node in self.nodes]

    direct = ports

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._store.running() as place:
            for number in range(BROKERS):
                log = self._folder / f"broker-{number}.log"
                self.nodes.append(Node(log, self.history, place, patient=True, env=self._store.env))
            try:
                for node in self.nodes:
                    await node.start()
                yield
            finally:
                for node in self.nodes:
                    await node.kill()

    async def stop(self) -> None:
        await asyncio.gather(*(node.stop() for node in self.nodes))

    def note_complaints(self) -> None:
        for node in self.nodes:
            node.note_complaints()


async def _broker_killed(cluster: Cluster, rng: random.Random) -> None:
    node = rng.choice(cluster.nodes)
    await node.kill()
    await node.start()


async def _broker_stopped(cluster: Cluster, rng: random.Random) -> None:
    node = rng.choice(cluster.nodes)
    await node.stop()
    await node.start()


async def _all_brokers_killed(cluster: Cluster, rng: random.Random) -> None:
    await asyncio.gather(*(node.kill() for node in cluster.nodes))
    await asyncio.gather(*(node.start() for node in cluster.nodes))


async def _broker_frozen(cluster: Cluster, rng: random.Random) -> None:
    """Its clients go to the others, and it goes on as if nothing had been."""
    node = rng.choice(cluster.nodes)
    World.send(signal.SIGSTOP, [node.pid])
    await asyncio.sleep(rng.uniform(0, FROZEN_S))
    World.send(signal.SIGCONT, [node.pid])


async def _broker_away(cluster: Cluster, rng: random.Random) -> None:
    """The others serve everybody meanwhile."""
    node = rng.choice(cluster.nodes)
    await node.kill()
    await asyncio.sleep(rng.uniform(0, FROZEN_S))
    await node.start()


BROKER_FAULTS: dict[str, Break] = {
    "kill -9 of a broker": _broker_killed,
    "SIGTERM of a broker": _broker_stopped,
    "kill -9 of all brokers": _all_brokers_killed,
    "SIGSTOP of a broker": _broker_frozen,
    "a broker is away": _broker_away,
}


class OnePostgres:
    """One PostgreSQL server, which is started again by itself when it is killed."""

    env: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder / "data")
        self.faults: Faults = {"kill -9 of PostgreSQL": self._killed}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[list[str]]:
        address = await self._server.start()
        where = f"host={quote(address.host)}&port={address.port}"
        try:
            yield ["--store", f"postgresql://{address.user}@/{address.database}?{where}"]
        finally:
            await self._server.stop()

    async def _killed(self, rng: random.Random) -> None:
        World.send(signal.SIGKILL, [self._server.pid] if self._server.pid else [])


class ThreeNats:
    """Three nats-servers that keep everything three times."""

    env: Mapping[str, str] = NATS_ENV

    def __init__(self, folder: Path) -> None:
        self._servers = NatsCluster(folder)
        self.faults: Faults = {
            "kill -9 of a leader": self._leader_killed,
            "kill -9 of a follower": self._follower_killed,
            "SIGSTOP of a server": self._frozen,
            "kill -9 of two servers": self._two_killed,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[list[str]]:
        try:
            await self._servers.start()
            yield ["--store", self._servers.url]
        finally:
            await self._servers.stop()

    async def _leader_killed(self, rng: random.Random) -> None:
        """That of a topic's stream."""
        await self._kill(await self._leader_of_a_topic(rng))

    async def _follower_killed(self, rng: random.Random) -> None:
        leader = await self._leader_of_a_topic(rng)
        await self._kill(rng.choice([one for one in self._servers.servers if one is not leader]))

    async def _two_killed(self, rng: random.Random) -> None:
        """Nothing can be stored until one is back."""
        two = rng.sample(self._servers.servers, 2)
        for server in two:
            await server.kill()
        await asyncio.sleep(rng.uniform(0, FROZEN_S))
        for server in two:
            await self._servers.start_one(server)

    async def _frozen(self, rng: random.Random) -> None:
        server = rng.choice(self._servers.servers)
        server.freeze()
        await asyncio.sleep(rng.uniform(0, FROZEN_S))
        server.thaw()

    async def _leader_of_a_topic(self, rng: random.Random) -> NatsServer:
        topic = rng.randint(1, 2)
        return await self._servers.leader(f"pubsub_topic_{topic}") or self._servers.servers[0]

    async def _kill(self, server: NatsServer) -> None:
        await server.kill()
        await self._servers.start_one(server)


STORES: dict[str, Callable[[Path], SharedStore]] = {"postgres": OnePostgres, "nats": ThreeNats}


def cluster_round(
    seed: int,
    store: Callable[[Path], SharedStore],
    folder: Path,
    progress: Progress,
    *,
    faults: Sequence[str] = (),
) -> Round:
    """Return a round of `faults`, or of some that the seed chooses; programs are on all brokers."""
    rng = random.Random(seed)
    cluster = Cluster(folder, History(), store(folder))
    chosen = faults or rng.choices([*cluster.faults], k=FAULTS_A_ROUND)
    steps = tuple(Step(fault, rng.uniform(0, 0.5), rng.randrange(2**32)) for fault in chosen)
    plan = Plan(seed, False, 2, (3, 3), (3, 3), 1, steps)
    return Round(plan, cluster, cluster.faults, progress)
