"""The parent of the workers: has the port and the database, and replaces workers that end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from urllib.parse import quote

from app.workers.order import Order
from app.workers.worker import Worker
from broker import Settings
from broker.listening import bind, close
from broker.store.embedded import Address, EmbeddedPostgres

STABLE_S = 10.0  # a worker that served for so long is replaced at once
PAUSE_S = (0.1, 5.0)  # before another is started, at first and at most

_logger = logging.getLogger("pubsub.workers")


class WorkerFailed(Exception):
    """A worker could not begin to serve, and has said why; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a worker ended with exit code {code}")
        self.code = code


@contextlib.asynccontextmanager
async def shared_port(settings: Settings) -> AsyncIterator[int]:
    """Hold the port that all workers will listen on, so that no other program takes it.

    Raises:
        CannotListen: it is taken, or not ours.
    """
    # First alone: two groups of workers on one port would not notice each other.
    sockets = await bind(settings.host, settings.port)
    port: int = sockets[0].getsockname()[1]
    close(sockets)
    sockets = await bind(settings.host, port, shared=True)
    try:
        yield port
    finally:
        close(sockets)


@contextlib.asynccontextmanager
async def shared_store(settings: Settings) -> AsyncIterator[Settings]:
    """Return `settings` with a store that all workers can use.

    PostgreSQL out of a data directory is the parent's child: it outlives each worker.

    Raises:
        StoreUnusable: a person has to do something about the data directory first.
    """
    if settings.data_dir is None:
        yield settings
        return
    postgres = EmbeddedPostgres(settings.data_dir)
    address = await postgres.start()
    try:
        yield replace(
            settings, data_dir=None, store_url=_url(address), watched_dir=settings.data_dir
        )
    finally:
        await postgres.stop()


class Workers:
    """So many workers, from `run` until `stop` is set."""

    def __init__(self, orders: list[Order], stop: asyncio.Event, kill: asyncio.Event) -> None:
        self._orders = orders
        self._stop = stop
        self._kill = kill

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep all workers serving, and return when all have stopped.

        `ready` is called once each of them serves.

        Raises:
            WorkerFailed: one could not begin to serve at first.
        """
        serving = [asyncio.Event() for _ in self._orders]
        try:
            async with asyncio.TaskGroup() as group:
                for order, serves in zip(self._orders, serving, strict=True):
                    group.create_task(self._keep(order, serves))
                    # The first brings the store up to date, and whatever is wrong is said once.
                    await _first([serves.wait(), self._stop.wait()])
                if not self._stop.is_set():
                    ready()
        except* WorkerFailed as failed:
            error = failed.exceptions[0]
            assert isinstance(error, WorkerFailed)
            raise error from None

    async def _keep(self, order: Order, serves: asyncio.Event) -> None:
        """Have a worker carry out `order`, and another when that one has ended."""
        pause_s, most_s = PAUSE_S
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            began = loop.time()
            worker = await Worker.start(order)
            try:
                code = await self._see_through(worker, serves)
            except BaseException:
                worker.kill()
                await asyncio.shield(worker.ended())
                raise
            if self._stop.is_set():
                return
            if not serves.is_set():
                raise WorkerFailed(code)
            if loop.time() - began > STABLE_S:
                pause_s = PAUSE_S[0]
            _logger.warning(
                "worker %d (pid %d) ended with %d; another takes its place in %.1f s",
                order.number,
                worker.pid,
                code,
                pause_s,
            )
            await _first([asyncio.sleep(pause_s), self._stop.wait()])
            pause_s = min(2 * pause_s, most_s)

    async def _see_through(self, worker: Worker, serves: asyncio.Event) -> int:
        """Return the worker's exit code when it has ended, which it is told when we stop."""
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell_stop(worker))
            if await worker.serves() is not None:
                serves.set()
            code = await worker.ended()
            telling.cancel()
        return code

    async def _tell_stop(self, worker: Worker) -> None:
        await self._stop.wait()
        worker.ask_to_stop()
        await self._kill.wait()
        worker.kill()


async def _first(some: list[Coroutine[None, None, object]]) -> None:
    """Return when the first of them has ended; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in some]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _url(address: Address) -> str:
    place = f"host={quote(address.host, safe='')}&port={address.port}"
    return f"postgresql://{quote(address.user, safe='')}@/{address.database}?{place}"
