"""`pubsub broker` as a person or a supervisor runs it."""

import asyncio
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.process import (
    PUBSUB,
    ROOT,
    environment,
    free_port,
    run,
    running_broker,
    start_broker,
)
from tests.wire import Wire


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_line_when_it_can_serve_and_exit_0_when_told_to_stop(
    data_dir: Path, number: signal.Signals
) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir)
    wire = await Wire.open(broker.port)
    await wire.ask("create", user_email="a@b.c", user_type="publisher")
    ended = await broker.stop(number)
    assert ended.code == 0, ended.err
    assert re.fullmatch(rb"listening on 127\.0\.0\.1:\d+\n", ended.out)
    assert "being stopped" in (await wire.read())["message"]
    assert await wire.read_line() == b""
    await wire.close()


async def test_stopping_answers_what_was_accepted_and_saves_cursors(data_dir: Path) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir)
    publisher = await Wire.open(broker.port)
    await publisher.ask("create", user_email="p@b.c", user_type="publisher")
    await publisher.ask("create_topic", topic_name="T")
    subscriber = await Wire.open(broker.port)
    await subscriber.ask("create", user_email="s@b.c", user_type="subscriber")
    await subscriber.ask("subscribe", topic_name="T")
    for number in range(2_000):
        publisher.send("publish_msg", topic_name="T", msg=f"number {number}")
    assert await publisher.read() == {"action": "success", "code": 0}
    stopping = asyncio.create_task(broker.stop())
    stored = 1
    while (line := await publisher.read())["action"] == "success":
        stored += 1
    assert "being stopped" in line["message"]
    received = [await subscriber.read() for _ in range(stored)]
    assert [line["message"] for line in received] == [f"number {n}" for n in range(stored)]
    assert (await stopping).code == 0
    for wire in (publisher, subscriber):
        await wire.close()

    async with running_broker("--data-dir", data_dir) as again:
        wire = await Wire.open(again.port)
        wire.send("connect", user_email="s@b.c", version=2)
        state = (await wire.read())["subscriptions"][0]
        assert (state["cursor"], state["head"]) == (stored, stored)
        await wire.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(data_dir: Path, number: signal.Signals) -> None:
    broker = await start_broker("--port", "0", "--data-dir", data_dir)
    server = int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n")[0])
    os.kill(server, signal.SIGSTOP)  # so that stopping takes for ever
    try:
        broker.send(number)
        while "stopping" not in await broker.read_log_line():
            pass
        assert (await broker.stop(number)).code == -number
    finally:
        os.kill(server, signal.SIGCONT)
        await broker.stop(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_can_be_stopped_while_it_starts(number: signal.Signals) -> None:
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *PUBSUB,
            *["broker", "--port", "0", "--store", f"postgresql://127.0.0.1:{port}/x"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=ROOT,
        )
        await asked.wait()
        process.send_signal(number)
        assert await process.communicate() == (b"", b"")
        assert process.returncode == 0


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "> /dev/full"])
async def test_it_serves_without_the_standard_streams(
    data_dir: Path, tmp_path: Path, streams: str
) -> None:
    port = free_port()
    shell = f'exec "$@" broker --port {port} --data-dir "$0" {streams}'
    process = await asyncio.create_subprocess_exec(
        *["bash", "-c", shell, str(data_dir), *PUBSUB],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    )
    wire = await in_the_end(port)
    assert (await wire.ask("create", user_email="a@b.c", user_type="publisher"))["code"] == 0
    await wire.close()
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert process.returncode == 0, err
    assert b"Traceback" not in err


async def in_the_end(port: int) -> Wire:
    """Connect once somebody listens."""
    while True:
        try:
            return await Wire.open(port)
        except ConnectionRefusedError:
            await asyncio.sleep(0)  # the next try asks again


async def test_a_port_in_use_is_one_sentence_and_exit_1(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = await run("broker", "--port", str(port), "--data-dir", data_dir)
    assert_one_sentence(ended.code, ended.out, ended.err, f"127.0.0.1:{port}", "--port")
    assert not data_dir.exists()


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "x" * 300])
async def test_an_address_that_is_not_ours_is_one_sentence(data_dir: Path, host: str) -> None:
    place = ["--insecure", "--host", host, "--port", "0"]
    ended = await run("broker", *place, "--data-dir", data_dir)
    assert_one_sentence(ended.code, ended.out, ended.err, host, "--host")
    assert not data_dir.exists()


async def test_a_data_directory_in_use_names_its_holder(data_dir: Path) -> None:
    async with running_broker("--data-dir", data_dir) as broker:
        ended = await run("broker", "--port", "0", "--data-dir", data_dir)
        assert_one_sentence(ended.code, ended.out, ended.err, str(broker.pid), "--data-dir")
        wire = await Wire.open(broker.port)
        assert (await wire.ask("create", user_email="a@b.c", user_type="publisher"))["code"] == 0
        await wire.close()


async def test_a_data_directory_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("mine")
    ended = await run("broker", "--port", "0", "--data-dir", place)
    assert_one_sentence(ended.code, ended.out, ended.err, str(place))
    assert place.read_text() == "mine"


async def test_an_unreachable_database_is_one_sentence_without_the_password() -> None:
    url = "postgresql://me:secret@127.0.0.1:1/db"
    ended = await run("broker", "--port", "0", env={"PUBSUB_STORE": url})
    assert_one_sentence(ended.code, ended.out, ended.err, "127.0.0.1:1/db", "--store")
    assert "secret" not in ended.err


async def test_a_foreign_database_is_left_alone(empty_database: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE invoices (number integer)")
    ended = await run("broker", "--port", "0", "--store", empty_database)
    assert_one_sentence(ended.code, ended.out, ended.err, "invoices")
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert [row["tablename"] for row in tables] == ["invoices"]
    await connection.close()


async def test_an_address_beyond_this_machine_needs_insecure(data_dir: Path) -> None:
    ended = await run("broker", "--host", "0.0.0.0", "--port", "0", "--data-dir", data_dir)
    assert ended.code == 2
    assert "--insecure" in ended.err
    assert not data_dir.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--store", "mysql://localhost/x"],
        ["--store", "postgresql://localhost/x", "--data-dir", "somewhere"],
        ["--log-level", "loud"],
        ["--host", ""],
        ["--port", "70000"],
        ["--nonsense"],
    ],
)
async def test_wrong_usage_exits_2_and_says_why(arguments: list[str], tmp_path: Path) -> None:
    ended = await run("broker", *arguments, cwd=tmp_path)
    assert ended.code == 2
    assert ended.err.strip()
    assert list(tmp_path.iterdir()) == []


async def test_a_dotenv_file_and_the_names_of_the_original_work(
    database: str, tmp_path: Path, data_dir: Path
) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(
        f"SERVER_ADDRESS=127.0.0.1\nSERVER_PORT={port}\nPUBSUB_DATA_DIR={data_dir}\n"
    )
    broker = await start_broker(cwd=tmp_path)
    assert broker.port == port
    ended = await run("pub", "T", "hello", "--email", "a@b.c", "--create", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert (await broker.stop()).code == 0


async def test_what_is_typed_wins_over_the_environment(
    database: str, data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DATABASE_ADDRESS=127.0.0.1:1\nDATABASE_NAME=x\n")
    typed = ["--port", "0", "--data-dir", str(data_dir)]
    assert (await (await start_broker(*typed, cwd=tmp_path)).stop()).code == 0
    (tmp_path / ".env").write_text("PUBSUB_DATA_DIR=/dev/null\n")
    typed = ["--port", "0", "--store", database]
    assert (await (await start_broker(*typed, cwd=tmp_path)).stop()).code == 0


@pytest.mark.parametrize("content", [b"PUBSUB_PORT=\xff\n", b"PUBSUB_PORT=\0\n"])
async def test_a_dotenv_file_that_is_not_text_is_one_sentence(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / ".env").write_bytes(content)
    ended = await run("broker", cwd=tmp_path)
    assert ended.code == 2
    assert ended.err.startswith(f"pubsub: {tmp_path / '.env'} cannot be read")
    assert ended.err.count("\n") == 1


async def test_a_broker_on_a_server_keeps_its_state_there(database: str) -> None:
    async with running_broker("--store", database) as broker:
        where = broker.connect
        await run("pub", "T", "hello", "--email", "a@b.c", "--create", "--connect", where)
    async with running_broker("--store", database) as broker:
        ended = await run(
            "sub", "T", "--email", "s@b.c", "--create", "--count", "1", "--connect", broker.connect
        )
        assert ended.out == b"hello\n"


async def test_an_existing_data_directory_is_opened_again(data_dir: Path) -> None:
    for round_ in range(2):
        async with running_broker("--data-dir", data_dir) as broker:
            wire = await Wire.open(broker.port)
            action = "connect" if round_ else "create"
            wire.send(action, user_email="a@b.c", user_type="publisher")
            assert (await wire.read())["action"] == "success"
            await wire.close()
    assert os.listdir(data_dir)


def assert_one_sentence(code: int, out: bytes, err: str, *parts: str) -> None:
    assert code == 1, err
    assert out == b""
    assert err.startswith("pubsub: ")
    assert err.count("\n") == 1, err
    for part in parts:
        assert part in err
