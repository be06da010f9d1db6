"""`pubsub broker --http` and `pubsub top`, as a person runs them."""

import asyncio
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.process import PUBSUB, ROOT, BrokerProcess, environment, run, start_broker
from tests.wire import Wire


async def started(*arguments: str) -> tuple[BrokerProcess, str]:
    """Return a broker, and the port of what it tells over HTTP."""
    broker = await start_broker("--port", "0", "--http", "0", *arguments)
    while (found := re.search(r"http://127\.0\.0\.1:(\d+)", await broker.read_log_line())) is None:
        pass
    return broker, found[1]


async def fetched(port: str, path: str) -> str:
    def fetch() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(fetch)


async def test_a_broker_is_watched_with_top_and_over_http(database: str) -> None:
    broker, http = await started("--store", database, "--log-format", "json")
    try:
        wire = await Wire.open(broker.port)
        await wire.ask("create", user_email="p@b.c", user_type="publisher")
        await wire.ask("create_topic", topic_name="T")
        ended = await run("top", "--once", "--http", http)
        assert (ended.code, ended.err) == (0, "")
        text = ended.out.decode()
        assert f"pubsub broker 127.0.0.1:{broker.port}  up 00:00:0" in text
        assert re.search(r"^T +quiet +0 +0 ", text, re.MULTILINE)
        assert re.search(r"^p@b\.c +idle +pub ", text, re.MULTILINE)
        assert await fetched(http, "/healthz") == "ok\n"
        assert "pubsub_topics 1\n" in await fetched(http, "/metrics")
        await wire.close()
    finally:
        ended = await broker.stop()
    assert ended.code == 0
    assert '"event": "signed_in"' in ended.err
    with pytest.raises(urllib.error.URLError):
        await fetched(http, "/healthz")


async def test_top_draws_on_a_terminal_until_ctrl_c_and_says_when_the_broker_is_gone(
    database: str,
) -> None:
    broker, http = await started("--store", database)
    ours, its = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *[*PUBSUB, "top", "--http", http, "--every", "0.2"],
        stdin=its,
        stdout=its,
        stderr=subprocess.PIPE,
        env=environment({"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}),
        cwd=ROOT,
    )
    os.close(its)
    try:
        await _read_until(ours, b"serving")
        await broker.stop()
        await _read_until(ours, b"no answer")
        process.send_signal(signal.SIGINT)
        await _read_until(ours, b"\x1b[?1049l")  # the terminal is as it was
        _, err = await process.communicate()
        assert (process.returncode, err) == (130, b"")
    finally:
        os.close(ours)
        await broker.stop()


async def test_where_nothing_answers_top_says_how_to_have_something_answer() -> None:
    ended = await run("top", "--once", "--http", "1")
    assert (ended.code, ended.out) == (3, b"")
    assert ended.err.startswith("pubsub: nothing answers on http://127.0.0.1:1/stats")
    assert "start a broker with --http 1" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n<html>",
        b"HTTP/1.0 404 No\r\n\r\n",
        b'{"action":"error"}\n',
        b'HTTP/1.0 200 OK\r\n\r\n{"broker":1}',
    ],
)
async def test_what_answers_and_is_no_broker_is_told_apart(answer: bytes) -> None:
    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(tell, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ended = await run("top", "--once", "--http", str(port))
    assert ended.code == 1
    assert ended.err.startswith(f"pubsub: what answers on http://127.0.0.1:{port}/stats is no")
    assert ended.err.count("\n") == 1


async def test_http_on_a_port_that_is_taken_or_on_the_brokers_own_is_told(data_dir: Path) -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = str(server.sockets[0].getsockname()[1])
        ended = await run("broker", "--port", "0", "--http", port, "--data-dir", data_dir)
    assert (ended.code, ended.out) == (1, b"")
    assert f"127.0.0.1:{port} is in use by another program" in ended.err
    assert "--http" in ended.err
    assert not data_dir.exists()
    ended = await run("broker", "--port", "4000", "--http", "4000", "--data-dir", data_dir)
    assert (ended.code, ended.out) == (2, b"")
    assert "--http and --port are two ports" in ended.err


async def test_a_log_format_there_is_not_is_told() -> None:
    ended = await run("broker", "--log-format", "xml")
    assert (ended.code, ended.err) == (2, "pubsub: --log-format takes text or json\n")


async def _read_until(terminal: int, wanted: bytes) -> None:
    seen = b""
    loop, more = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(terminal, more.set)
    try:
        async with asyncio.timeout(15):
            while wanted not in seen:
                await more.wait()
                more.clear()
                seen += os.read(terminal, 65_536)
    finally:
        loop.remove_reader(terminal)
