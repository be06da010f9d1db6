"""The three pages, over HTTP, for this machine alone."""

import logging
import socket
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from app.monitoring.exposition import CONTENT_TYPE, exposition
from app.monitoring.health import reasons
from app.monitoring.metrics import TOPICS, metrics
from app.monitoring.stats import stats
from app.own_machine import asked_by_own_name
from broker import Broker

SESSIONS = 200  # and topics, in /stats
STOP_S = 1.0  # for an answer that is under way

_logger = logging.getLogger("pubsub.http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves what one broker tells. Answering costs the broker what a snapshot costs."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._runner: web.AppRunner | None = None

    async def serve(self, broker: Broker) -> str:
        """Return the address once what `broker` tells can be asked for there."""
        self._broker = broker
        app = web.Application(middlewares=[_guarded])
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/", _index)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        host, port = self._socket.getsockname()[:2]
        _logger.info("metrics, health and stats are on http://%s:%d", host, port)
        return f"http://{host}:{port}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        text = exposition(metrics(self._broker.snapshot(TOPICS)))
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _health(self, request: web.Request) -> web.Response:
        await self._broker.census.probe()
        found = reasons(self._broker.snapshot(rows=0))
        text = "".join(f"{reason}\n" for reason in found) or "ok\n"
        return web.Response(text=text, status=503 if found else 200)

    async def _stats(self, request: web.Request) -> web.Response:
        found = stats(self._broker, SESSIONS)
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")


async def _index(request: web.Request) -> web.Response:
    return web.Response(
        text="/metrics  for Prometheus\n"
        "/healthz  200 while publishes are taken, else 503 and why\n"
        "/stats    the same and more as JSON; `pubsub top` shows it\n"
    )


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer only who asks for this machine by its own name: no page of another site can."""
    if not asked_by_own_name(request):
        raise web.HTTPForbidden(text="this is for this machine alone; ask 127.0.0.1 for it\n")
    answer = await handler(request)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
