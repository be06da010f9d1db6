"""The screens in a browser: what the page is made of, who may see it, and that it is drawn."""

import asyncio
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest

from app.web.server import ScreenServer
from tests.browser import CHROMIUM, opened
from tests.nats import NatsServer
from tests.patience import until
from tests.process import PUBSUB, ROOT, Ended, environment, run


class Served:
    """A running `pubsub ... --web 0`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    async def stop(self, number: signal.Signals = signal.SIGINT) -> Ended:
        if self.process.returncode is None:
            self.process.send_signal(number)
        out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out, err.decode())


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The folder for temporary files of what is served, and of nobody else."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@asynccontextmanager
async def served(*arguments: str, env: Mapping[str, str] = {}) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        *[*PUBSUB, *arguments, "--web", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(env),
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+/", line)
    try:
        assert found, line
        yield Served(process, found[0])
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def test_the_page_and_all_it_names_come_from_the_server_itself() -> None:
    async with served("demo") as server, aiohttp.ClientSession() as session:
        async with session.get(server.url) as answer:
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "http:" not in policy
        names = re.findall(r"""(?:src|href)=["']([^"']+)|url\(["']?([^"')]+)""", page)
        assets = [one or other for one, other in names if not (one or other).startswith("data:")]
        assert len(assets) >= 4
        for asset in assets:
            address = urljoin(server.url, asset)
            assert urlsplit(address).netloc == urlsplit(server.url).netloc
            async with session.get(address) as answer:
                text = await answer.text(errors="replace")
                assert answer.status == 200
                if asset.endswith(".css"):
                    assert "url(" not in text
        assert not re.search(r"https?://", page)
        assert (await server.stop()).code == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # a name that was made to mean this machine
        {"Origin": "http://evil.example"},  # another site that the browser has open
        {"Origin": "null"},
    ],
)
async def test_nobody_but_this_machines_own_page_gets_in(headers: dict[str, str]) -> None:
    async with served("demo") as server, aiohttp.ClientSession() as session:
        for path in ("", "ws"):
            async with session.get(server.url + path, headers=headers) as answer:
                assert answer.status == 403


@pytest.mark.timeout(60)
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
async def test_a_browser_draws_the_screen_and_its_keys_work(
    temporary: Path, tmp_path: Path
) -> None:
    async with served("demo", env={"TMPDIR": str(temporary)}) as server:
        async with opened(server.url, tmp_path / "browser") as page:

            async def begun() -> bool:
                return "-first-byte" in (await page.value("document.body?.className") or "")

            async def drawn() -> bool:
                return await page.colours() > 200  # letters, smoothed, in the theme's colours

            async def changed() -> bool:
                return await page.picture() != before

            await until(begun)
            await until(drawn)
            before = await page.picture()
            await page.press("1", "Digit1", 49)
            await until(changed)
            home = urlsplit(server.url).netloc
            asked = [urlsplit(one) for one in page.asked_for if not one.startswith("data:")]
            assert {one.netloc for one in asked} == {home}
            assert any(one.scheme == "ws" for one in asked)
            assert not [one for one in page.complaints if "Content Security" in one]
        # The page is closed: its process ends and takes all it had with it.
        await until(lambda: not [*temporary.iterdir()])
        ended = await server.stop()
        assert (ended.code, ended.err) == (0, "")


@pytest.mark.timeout(60)
@pytest.mark.slow
async def test_stopping_the_server_ends_the_screens_that_are_open(temporary: Path) -> None:
    served_demo = served("demo", env={"TMPDIR": str(temporary)})
    async with served_demo as server, aiohttp.ClientSession() as session:
        socket = await session.ws_connect(server.url + "ws", params={"width": "100"})
        assert await socket.receive_bytes()
        ended = await server.stop(signal.SIGTERM)
        assert (ended.code, ended.err) == (0, "")
        assert [*temporary.iterdir()] == []


async def test_the_subscribers_screen_is_served_too() -> None:
    arguments = ["subscriber", "--connect", "127.0.0.1:1", "--email", "a@b.c"]
    async with served(*arguments) as server, aiohttp.ClientSession() as session:
        socket = await session.ws_connect(server.url + "ws", params={"width": "100"})
        seen = b""
        while b"E-mail" not in seen:
            seen += await socket.receive_bytes()
        await socket.close()


def test_what_the_shell_runs_is_the_very_words_it_was_given() -> None:
    words = ["pubsub", "subscriber", "--email=a b'\"; touch $(x) `y` \n&@b.c", "", "*"]
    server = ScreenServer(words, "title")
    assert shlex.split(server.command) == ["exec", *words]
    printed = subprocess.run(
        ScreenServer(["printf", "%s", words[2]], "").command,
        shell=True,
        capture_output=True,
        check=True,
    )
    assert printed.stdout.decode() == words[2]


async def test_without_the_extra_package_one_sentence_says_what_to_do() -> None:
    hidden = "import sys; sys.modules['textual_serve'] = None; from app.main import main; main()"
    ended = await run("demo", "--web", "0", command=[sys.executable, "-c", hidden])
    assert ended.code == 1
    assert ended.err == (
        "pubsub: --web needs a package that is not installed;"
        " `pip install 'pubsub-suite[web]'` brings it\n"
    )


async def test_a_port_in_use_is_told_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = await run("demo", "--web", str(port))
    assert ended.code == 1
    assert ended.err == (
        f"pubsub: 127.0.0.1:{port} cannot be listened on: Address already in use; choose another\n"
    )


@pytest.mark.timeout(60)
@pytest.mark.slow
async def test_a_page_plays_on_the_store_that_is_named_and_removes_what_was_its_own(
    jetstream: str, nats: NatsServer, temporary: Path
) -> None:
    before = await nats.streams()
    served_demo = served("demo", "--store", jetstream, env={"TMPDIR": str(temporary)})
    async with served_demo as server, aiohttp.ClientSession() as session:
        socket = await session.ws_connect(server.url + "ws", params={"width": "100"})
        said = b""
        while b"serving" not in said:
            said += await socket.receive_bytes()
        assert await nats.streams() > before
        assert [*temporary.iterdir()] == []  # no PostgreSQL of its own
        ended = await server.stop(signal.SIGTERM)
        assert (ended.code, ended.err) == (0, "")
        assert await nats.streams() == before
