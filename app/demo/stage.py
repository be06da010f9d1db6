"""What the steps stand on: a store with the sample data, a broker on it, and who takes part."""

import asyncio
from time import perf_counter

from app.demo.actors import BACKOFF, TOPIC, Author, Reader
from app.demo.broker_process import BrokerProcess
from app.demo.events import Audience, Event, Mark, Pane
from app.demo.stores import Stores
from app.demo.wire import Wire
from clients import Observer
from clients.values import TopicState


class Stage:
    """One setting of the demonstration, from a fresh store on.

    `set` and `strike` may be called again and again; a step finds what the steps before it
    have left.
    """

    def __init__(self, stores: Stores, audience: Audience) -> None:
        self.audience = audience
        self.broker: BrokerProcess | None = None
        self.port = 0
        self._stores = stores
        self._store = ""  # the URL of the broker's
        self._observers: dict[str, Observer] = {}
        self._opening = asyncio.Lock()
        self._wires: list[Wire] = []
        self._cast()

    def _cast(self) -> None:
        self.bob = Author("bob", "bob@example.com", self.audience)
        self.ada = Reader("ada", "ada@example.com", self.audience)
        self.eve = Reader("eve", "eve@example.com", self.audience)
        self.tien = Reader("tien", "tientavu@tamu.edu", self.audience)
        self.sam = Reader("sam", "sam@example.com", self.audience)
        self.actors: list[Author | Reader] = [self.bob, self.ada, self.eve, self.tien, self.sam]

    # setting and striking

    async def set(self) -> None:
        """Make a fresh store with the sample data and start a broker on it."""
        await self.strike()
        self._store = await self._stores.fresh()
        self._cast()
        await self.start_broker()
        for actor in self.actors:
            await actor.relay.listen(self.port)

    async def strike(self, *, keep_store: bool = False) -> None:
        """End everything that was set. Harmless when repeated, or in the middle of `set`."""
        for wire in self._wires:
            await wire.close()
        for actor in self.actors:
            await actor.leave()
            await actor.relay.close()
        for observer in self._observers.values():
            await observer.close()
        self._wires.clear()
        self._observers.clear()
        if self.broker is not None:
            await self.broker.kill()
            self.broker = None
        self.port = 0
        if not keep_store:
            await self._stores.drop()

    async def present(self, *actors: Author | Reader) -> None:
        """See that the broker runs, that no cable is cut, and that `actors` are signed in."""
        if self.broker is None:
            await self.start_broker()
        for actor in self.actors:
            actor.relay.mend()
        for actor in actors:
            await actor.enter()
        for reader in self.actors:
            if isinstance(reader, Reader):
                reader.received.clear()
                reader.quiet = False

    # the broker's process

    async def start_broker(self) -> float:
        """Start the broker, where it was before if it was; return the seconds that it took."""
        began = perf_counter()
        self.broker = await BrokerProcess.start(self._store, self.port)
        self.port = self.broker.port
        took_s = perf_counter() - began
        self.tell(f"process {self.broker.pid} serves", f"{took_s:.2f} s")
        return took_s

    async def kill_broker(self) -> int:
        """Kill the broker's process with SIGKILL; return its number."""
        broker, self.broker = self.broker, None
        assert broker is not None
        await broker.kill()
        self.tell(f"kill -9 {broker.pid}")
        return broker.pid

    # asking and telling

    @property
    def kept(self) -> str:
        """Where a message is that has its ✓, in words."""
        return self._stores.words.kept

    async def wire(self, pane: Pane, who: str) -> Wire:
        """Return a connection of raw lines."""
        self._wires.append(await Wire.open(pane, who, self.port, self.audience))
        return self._wires[-1]

    async def seen_by(self, reader: Reader) -> TopicState | None:
        """Return what the broker says of the topic and of the reader's place in it.

        None where there is no such topic yet. Waits for a broker that is away.
        """
        async with self._opening:
            observer = self._observers.get(reader.email)
            if observer is None:
                observer = Observer(f"127.0.0.1:{self.port}", reader.email, backoff=BACKOFF)
                await observer.open()
                self._observers[reader.email] = observer
        topics = {one.topic_name: one for one in await observer.topics()}
        return topics.get(TOPIC)

    def tell(self, text: str, note: str = "") -> None:
        self.audience.told(Event(Pane.BROKER, "broker", Mark.FACT, text, note))

    async def beat(self, seconds: float) -> None:
        await self.audience.beat(seconds)
