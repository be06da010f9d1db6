"""Serves a screen to browsers on this machine: one process of the command per open page.

The page and all it needs come from here; nothing is fetched from elsewhere, and the page's
own policy forbids it. There is no sign-in, so only this machine's own browser gets in, and
only from this page: what another site has it open is refused.
"""

import asyncio
import shlex
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp_jinja2
import textual_serve
from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from app.own_machine import asked_by_own_name

HOST = "127.0.0.1"
STOP_S = 30.0  # a screen that has a broker of its own takes its time to end
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScreenServer(Server):
    """Runs `command` for each page that is opened, and ends it when the page is closed."""

    def __init__(self, command: list[str], title: str) -> None:
        super().__init__(
            # A shell runs it: each word is quoted, and the process is the command itself.
            "exec " + shlex.join(command),
            host=HOST,
            title=title,
            statics_path=Path(textual_serve.__file__).parent / "static",
            templates_path=Path(__file__).parent / "templates",
        )
        self._open: set[web.WebSocketResponse] = set()

    async def serve_on(self, port: int, told: Callable[[int], None]) -> None:
        """Serve until a signal ends it; `told` gets the port once a browser can come.

        Raises:
            OSError: the port cannot be listened on.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, stop.set)
        runner = web.AppRunner(await self._make_app(), shutdown_timeout=STOP_S)
        try:
            await runner.setup()
            site = web.TCPSite(runner, self.host, port)
            await site.start()
            told(runner.addresses[0][1])
            await stop.wait()
        finally:
            await runner.cleanup()

    # what textual-serve lets one say differently

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(_guarded)
        return app

    async def on_startup(self, app: web.Application) -> None:
        pass  # whoever runs this says where it is

    async def on_shutdown(self, app: web.Application) -> None:
        """Close the pages, so that their processes end."""
        for socket in [*self._open]:
            await socket.close()

    @aiohttp_jinja2.template("app_index.html")
    async def handle_index(self, request: web.Request) -> dict[str, object]:
        return {"title": self.title, "font_size": to_int(request.query.get("fontsize", ""), 16)}

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run the command for as long as the page is open."""
        socket = web.WebSocketResponse(heartbeat=15)
        await socket.prepare(request)

        async def close() -> None:
            await socket.close()

        service = AppService(
            self.command,
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        self._open.add(socket)
        width, height = request.query.get("width", ""), request.query.get("height", "")
        await service.start(to_int(width, 80), to_int(height, 24))
        try:
            await self._process_messages(socket, service)
        finally:
            self._open.discard(socket)
            await _end(service)
        return socket


async def _end(service: AppService) -> None:
    """Ask the process to end, and see that it does."""
    process = service._process
    assert process is not None
    try:
        async with asyncio.timeout(STOP_S):
            await service.stop()
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer only who asks for this machine by its own name, from a page of ours."""
    if not asked_by_own_name(request):
        raise web.HTTPForbidden(text="this page is for this machine's own browser\n")
    answer = await handler(request)
    if not answer.prepared:
        answer.headers["Content-Security-Policy"] = POLICY
        answer.headers["Cache-Control"] = "no-store"
    return answer
