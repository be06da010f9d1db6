"""A headless Chromium that a test steers over its debugging port."""

import asyncio
import base64
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
    " --disable-dev-shm-usage --remote-debugging-port=0 --window-size=1100,700"
)
_COLOURS = """
    new Promise(done => {
        const picture = new Image();
        picture.onload = () => {
            const canvas = new OffscreenCanvas(picture.width, picture.height);
            const context = canvas.getContext("2d");
            context.drawImage(picture, 0, 0);
            const data = context.getImageData(0, 0, picture.width, picture.height).data;
            const found = new Set(new Uint32Array(data.buffer));
            done(found.size);
        };
        picture.src = "data:image/png;base64,%s";
    })
"""


class Page:
    """An open page. `asked_for` has every address that it has asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.asked_for: list[str] = []
        self.complaints: list[str] = []

    async def do(self, method: str, **given: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        await self._socket.send_json({"id": number, "method": method, "params": given})
        return await answer

    async def value(self, expression: str) -> Any:
        """Return what a JavaScript expression is, or None while the page is not there yet."""
        answer = await self.do(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return answer.get("result", {}).get("value")

    async def press(self, key: str, code: str, number: int) -> None:
        for kind, text in (("keyDown", key), ("keyUp", "")):
            await self.do(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=code,
                text=text,
                windowsVirtualKeyCode=number,
            )

    async def picture(self) -> bytes:
        """Return what the page looks like, as PNG."""
        answer = await self.do("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def colours(self) -> int:
        """Return how many colours are seen: a page with text has hundreds, an empty one few."""
        picture = base64.b64encode(await self.picture()).decode()
        found = await self.value(_COLOURS % picture)
        assert isinstance(found, int)
        return found

    async def listen(self) -> None:
        """Take what the browser tells until the page is closed."""
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told.get("result", {}))
            elif told["method"] == "Network.requestWillBeSent":
                self.asked_for.append(told["params"]["request"]["url"])
            elif told["method"] == "Network.webSocketCreated":
                self.asked_for.append(told["params"]["url"])
            elif told["method"] == "Log.entryAdded":
                self.complaints.append(told["params"]["entry"]["text"])


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Page]:
    """Chromium with `url` open; `folder` is new, and its own."""
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        *[CHROMIUM, *_FLAGS.split(), f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        port = await _port(browser)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(
                pages[0]["webSocketDebuggerUrl"], max_msg_size=0
            ) as socket:
                page = Page(socket)
                listening = asyncio.ensure_future(page.listen())
                for domain in ("Page", "Network", "Runtime", "Log"):
                    await page.do(f"{domain}.enable")
                await page.do("Page.navigate", url=url)
                yield page
                await socket.close()
                await listening
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        await browser.communicate()


async def _port(browser: asyncio.subprocess.Process) -> int:
    assert browser.stderr is not None
    async for line in browser.stderr:
        if line.startswith(b"DevTools listening on "):
            return int(line.split(b":")[2].split(b"/")[0])
    raise AssertionError("chromium did not start")
