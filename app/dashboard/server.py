"""A broker in a thread and an event loop of its own, for whatever becomes of the screen."""

import asyncio
import gc
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from enum import Enum, auto
from typing import TypeVar

from app.commands.broker import new_loop, unless
from app.monitoring import monitor
from broker import Broker, Settings
from broker.listening import shown
from broker.snapshot import Snapshot

PACE_S = 0.25  # between snapshots
ANSWER_LIMIT_S = 5.0

_logger = logging.getLogger("pubsub.broker")
_Answer = TypeVar("_Answer")


class Phase(Enum):
    STARTING = auto()
    SERVING = auto()
    STOPPING = auto()  # accepted publishes are answered, clients are told
    ENDED = auto()


class BrokerEnded(Exception):
    """There is no broker to ask any more, or not yet."""


class BrokerThread:
    """Serves from `start` until it is asked to stop, whatever the thread that made it does.

    `phase`, `error` and `snapshot` are replaced as a whole by the broker's thread and can be
    read from any other. `error` is why it ended, None where it was asked to.
    """

    def __init__(self, settings: Settings, http: int | None = None) -> None:
        self.settings = settings
        self._http = http
        self.phase = Phase.STARTING
        self.snapshot: Snapshot | None = None
        self.error: Exception | None = None
        self.address = f"{settings.host}:{settings.port}"
        self.forced = False  # nobody wants to wait for the end any more
        self._stop_asked = False
        self._broker: Broker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="broker")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Return when the broker has ended. Signals are handled meanwhile."""
        self._thread.join()

    @property
    def stopping(self) -> bool:
        """Whether it has been asked to stop."""
        return self._stop_asked

    def ask_to_stop(self) -> None:
        """Let the broker end as it does on SIGTERM. Any thread may ask, and a signal handler."""
        self._stop_asked = True
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has ended already
                loop.call_soon_threadsafe(self._stop.set)

    async def ask(self, question: Callable[[Broker], _Answer]) -> _Answer:
        """Return the answer of `question`, which is called in the broker's thread.

        Raises:
            BrokerEnded: there is nothing to ask.
        """

        broker, loop = self._broker, self._loop
        if broker is None or loop is None:
            raise BrokerEnded
        answer: Future[_Answer] = Future()

        def call() -> None:
            try:
                answer.set_result(question(broker))
            except Exception as error:
                answer.set_exception(error)

        try:
            loop.call_soon_threadsafe(call)
            async with asyncio.timeout(ANSWER_LIMIT_S):
                return await asyncio.wrap_future(answer)
        except (RuntimeError, TimeoutError):  # its loop is closed, or about to be
            raise BrokerEnded from None

    # in the broker's thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self._serve())
        except Exception as error:
            self.error = error
        finally:
            self.phase = Phase.ENDED

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with monitor(self._http) as monitored, Broker(self.settings) as broker:
            await monitored(broker)
            self._broker, self.address = broker, shown(broker.host, broker.port)
            gc.collect()
            gc.freeze()  # as the command without a screen does
            telling = asyncio.create_task(self._tell(broker))
            try:
                if not self._stop_asked:  # it may have been while the store was opened
                    self.phase = Phase.SERVING
                    await unless(self._stop, broker.serve())
            finally:
                self.phase = Phase.STOPPING
                await broker.stop()
                telling.cancel()

    async def _tell(self, broker: Broker) -> None:
        while True:
            try:
                self.snapshot = broker.snapshot()
            except Exception:  # what is only shown must not stop the broker
                _logger.exception("no snapshot could be made")
            await asyncio.sleep(PACE_S)
