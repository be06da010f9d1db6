"""Passwords as a person has them: from the environment, or typed at a terminal."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.process import (
    PUBSUB,
    ROOT,
    BrokerProcess,
    environment,
    free_port,
    run,
    running_broker,
    start_broker,
)
from tests.terminal import Terminal, terminal
from tests.wire import Wire

RIGHT, OTHER = "correct horse", "battery staple"


@pytest.fixture
async def strict(database: str) -> AsyncIterator[BrokerProcess]:
    async with running_broker("--store", database, "--auth", "password") as broker:
        yield broker


def given(broker: BrokerProcess, email: str = "p@b.c", **more: str) -> dict[str, str]:
    return {"PUBSUB_CONNECT": broker.connect, "PUBSUB_EMAIL": email} | more


async def test_the_environment_says_the_password(strict: BrokerProcess) -> None:
    env = given(strict, PUBSUB_PASSWORD=RIGHT)
    assert (await run("pub", "T", "hello", "--create", env=env)).code == 0
    shown = await run("topics", env=env)
    assert (shown.code, shown.err) == (0, "")
    wrong = await run("topics", env=env | {"PUBSUB_PASSWORD": OTHER})
    assert (wrong.code, wrong.out) == (1, b"")
    assert re.fullmatch("pubsub: .*password is wrong.*\n", wrong.err)
    assert OTHER not in wrong.err


async def test_without_a_terminal_and_a_password_it_says_where_to_put_it(
    strict: BrokerProcess,
) -> None:
    for command in (["topics"], ["pub", "T", "hello", "--create"], ["sub", "T"]):
        ended = await run(*command, env=given(strict))
        assert ended.code == 1
        assert ended.err.count("\n") == 1
        assert "PUBSUB_PASSWORD" in ended.err


async def answer(asking: Terminal, *asked_and_typed: tuple[str, str]) -> None:
    """Type what each question is answered with, once it is asked."""
    for asked, typed in asked_and_typed:
        await asking.until(asked)
        asking.press(f"{typed}\n")


async def test_a_password_is_typed_and_not_shown(strict: BrokerProcess, tmp_path: Path) -> None:
    env = given(strict)
    async with terminal("pub", "T", "hello", "--create", home=tmp_path, env=env) as making:
        await answer(making, ("Password:", RIGHT), ("Password, again:", RIGHT))
        assert await making.code() == 0, making.shown

    async with terminal("password", home=tmp_path, env=env) as changing:
        await answer(
            changing,
            *(("Password:", RIGHT), ("New password:", OTHER), ("New password, again:", OTHER)),
        )
        await changing.until("p@b.c has a new password")
        assert await changing.code() == 0
        assert not any(secret.encode() in changing.written for secret in (RIGHT, OTHER))
    assert (await run("topics", env=given(strict, PUBSUB_PASSWORD=OTHER))).code == 0


async def test_two_that_differ_change_nothing_and_ctrl_c_ends_the_asking(
    strict: BrokerProcess, tmp_path: Path
) -> None:
    env = given(strict, PUBSUB_PASSWORD=RIGHT)
    await run("pub", "T", "hello", "--create", env=env)
    async with terminal("password", home=tmp_path, env=env) as changing:
        await answer(changing, ("New password:", OTHER), ("again:", "something else"))
        await changing.until("the two differ")
        assert await changing.code() == 1
    async with terminal("topics", home=tmp_path, env=given(strict)) as asking:
        await asking.until("Password:")
        asking.press("\x03")
        assert await asking.code() == 130
    assert (await run("topics", env=env)).code == 0


async def test_an_open_broker_s_account_gets_its_first_password(database: str) -> None:
    async with running_broker("--store", database) as broker:
        assert (await run("pub", "T", "hello", "--create", env=given(broker))).code == 0
        short = await run("password", env=given(broker, PUBSUB_NEW_PASSWORD="short"))
        assert (short.code, short.err.count("\n")) == (1, 1)
        assert "8 to 200 characters" in short.err
        ended = await run("password", env=given(broker, PUBSUB_NEW_PASSWORD=RIGHT))
        assert ended.code == 0, ended.err
        assert "PUBSUB_PASSWORD" in (await run("topics", env=given(broker))).err
        assert (await run("topics", env=given(broker, PUBSUB_PASSWORD=RIGHT))).code == 0


async def test_no_secret_is_in_the_list_of_processes_nor_in_a_log_nor_in_what_is_shown(
    data_dir: Path,
) -> None:
    port = free_port()
    place: list[str | Path] = ["--data-dir", data_dir, "--auth", "password"]
    async with (
        running_broker(*place, "--log-level", "debug", "--http", str(port)) as broker,
        ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        env = given(broker, "s@b.c", PUBSUB_PASSWORD=RIGHT)
        publishing = given(broker, PUBSUB_PASSWORD=RIGHT)
        await run("pub", "T", "hello", "--create", env=publishing)
        reading = await asyncio.create_subprocess_exec(
            *[*PUBSUB, "sub", "T", "--create"],
            stdout=asyncio.subprocess.PIPE,
            env=environment(env),
            cwd=ROOT,
        )
        assert reading.stdout is not None
        assert await reading.stdout.readline() == b"hello\n"
        # PostgreSQL shows in the list of processes what each backend does.
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended since
                assert RIGHT.encode() not in line.read_bytes()
        pages = [await (await http.get(page)).text() for page in ("/stats", "/metrics", "/healthz")]
        assert "s@b.c" in pages[0]
        reading.terminate()
        await reading.communicate()
        await run("topics", env=env | {"PUBSUB_PASSWORD": OTHER})
        ended = await broker.stop()
    assert ended.code == 0
    told = [ended.err, *pages, (data_dir / "postgres.log").read_text()]
    for secret in (RIGHT, OTHER, "argon2id"):
        assert not any(secret in one for one in told)


@pytest.mark.parametrize("url", ["u:secret@127.0.0.1:1/x", "127.0.0.1:1/x?password=secret"])
async def test_a_password_that_is_typed_in_store_is_warned_of_and_not_repeated(url: str) -> None:
    store = f"postgresql://{url}"
    typed = await run("broker", "--port", "0", "--store", store)
    assert typed.code == 1
    assert "PUBSUB_STORE keeps it from them" in typed.err
    hidden = await run("broker", "--port", "0", env={"PUBSUB_STORE": store})
    assert hidden.code == 1
    assert "PUBSUB_STORE" not in hidden.err
    for ended in (typed, hidden):
        assert "secret" not in ended.err


@pytest.mark.parametrize(
    "options",
    [
        ["--auth", "maybe"],
        ["--max-connections", "0"],
        ["--max-connections-per-address", "0"],
        ["--sign-in-timeout", "0"],
        ["--dead-peer-timeout", "1"],
        ["--max-unfinished-kb", "0"],
        ["--password", "x"],
        ["--host", "0.0.0.0"],
        ["--host", "0.0.0.0", "--auth", "password"],
    ],
)
async def test_wrong_options_of_the_broker_exit_2(options: list[str], tmp_path: Path) -> None:
    ended = await run("broker", "--port", "0", *options, env={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert ended.code == 2
    assert ended.out == b""
    assert options[0] in ended.err or "--insecure" in ended.err
    assert [*tmp_path.rglob("*")] == []


async def test_every_limit_is_an_option_and_a_variable(database: str) -> None:
    options = ["--max-connections", "2", "--max-connections-per-address", "1"]
    options += ["--sign-in-timeout", "0.2", "--dead-peer-timeout", "60"]
    options += ["--max-unfinished-kb", "64", "--max-message-kb", "1"]
    env = {
        f"PUBSUB_{name[2:].upper().replace('-', '_')}": value
        for name, value in zip(options[::2], options[1::2], strict=True)
    }
    for typed, variables in ((options, {}), ([], env)):
        arguments = ["--port", "0", "--store", database, *typed]
        broker = await start_broker(*arguments, env=variables)
        first, second = await Wire.open(broker.port), await Wire.open(broker.port)
        assert "1 connections from your address" in (await second.read())["message"]
        assert "within 0.2 s" in (await first.read())["message"]
        for wire in (first, second):
            await wire.close()
        assert (await broker.stop()).code == 0
