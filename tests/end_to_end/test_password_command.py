"""Passwords as a person has them: from the environment, or typed at a terminal."""

import asyncio
import os
import pty
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.process import PUBSUB, ROOT, BrokerProcess, Ended, environment, run, running_broker

RIGHT, OTHER = "correct horse", "battery staple"


@pytest.fixture
async def strict(database: str) -> AsyncIterator[BrokerProcess]:
    async with running_broker("--store", database, "--auth", "password") as broker:
        yield broker


def given(broker: BrokerProcess, email: str = "p@b.c", **more: str) -> dict[str, str]:
    return {"PUBSUB_CONNECT": broker.connect, "PUBSUB_EMAIL": email} | more


class Terminal:
    """A command on a terminal of its own, and a person who types."""

    def __init__(self, process: asyncio.subprocess.Process, end: int) -> None:
        self.process = process
        self._end = end
        self._came: asyncio.Queue[bytes] = asyncio.Queue()
        self.shown = ""
        asyncio.get_running_loop().add_reader(end, self._read)

    @classmethod
    async def start(cls, *arguments: str, env: dict[str, str]) -> "Terminal":
        end, other = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *[*PUBSUB, *arguments],
            stdin=other,
            stdout=other,
            stderr=other,
            env=environment(env),
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # takes it over
        )
        os.close(other)
        return cls(process, end)

    def _read(self) -> None:
        try:
            data = os.read(self._end, 4096)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._end)
        self._came.put_nowait(data)

    async def until(self, text: str) -> None:
        """Wait until `text` is shown after what was waited for before."""
        while text not in self.shown:
            data = await self._came.get()
            assert data, f"no {text!r} in {self.shown!r}"
            self.shown += data.decode()
        self.shown = self.shown.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    async def ended(self) -> Ended:
        while data := await self._came.get():
            self.shown += data.decode()
        os.close(self._end)
        return Ended(await self.process.wait(), b"", self.shown)


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


async def test_a_password_is_typed_and_not_shown(strict: BrokerProcess) -> None:
    making = await Terminal.start("pub", "T", "hello", "--create", env=given(strict))
    await making.until("Password: ")
    making.type(f"{RIGHT}\n")
    await making.until("Password, again: ")
    making.type(f"{RIGHT}\n")
    ended = await making.ended()
    assert ended.code == 0, ended.err
    assert RIGHT not in ended.err

    changing = await Terminal.start("password", env=given(strict))
    for asked, typed in (("Password: ", RIGHT), ("New password: ", OTHER)):
        await changing.until(asked)
        changing.type(f"{typed}\n")
    await changing.until("New password, again: ")
    changing.type(f"{OTHER}\n")
    ended = await changing.ended()
    assert ended.code == 0, ended.err
    assert "p@b.c has a new password" in ended.err
    assert (await run("topics", env=given(strict, PUBSUB_PASSWORD=OTHER))).code == 0


async def test_two_that_differ_change_nothing_and_ctrl_c_ends_the_asking(
    strict: BrokerProcess,
) -> None:
    env = given(strict, PUBSUB_PASSWORD=RIGHT)
    await run("pub", "T", "hello", "--create", env=env)
    changing = await Terminal.start("password", env=env)
    await changing.until("New password: ")
    changing.type(f"{OTHER}\n")
    await changing.until("again: ")
    changing.type("something else\n")
    ended = await changing.ended()
    assert ended.code == 1
    assert "the two differ" in ended.err
    asking = await Terminal.start("topics", env=given(strict))
    await asking.until("Password: ")
    asking.process.send_signal(signal.SIGINT)
    assert (await asking.ended()).code == 130
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


async def test_no_secret_is_in_the_list_of_processes_or_in_the_broker_s_log(
    database: str, data_dir: Path
) -> None:
    async with running_broker(
        "--store", database, "--auth", "password", "--log-level", "debug"
    ) as broker:
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
        for process in (reading.pid, broker.pid):
            assert RIGHT.encode() not in Path(f"/proc/{process}/cmdline").read_bytes()
        reading.terminate()
        await reading.communicate()
        await run("topics", env=env | {"PUBSUB_PASSWORD": OTHER})
        ended = await broker.stop()
    assert ended.code == 0
    for secret in (RIGHT, OTHER, "argon2id"):
        assert secret not in ended.err


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
    from tests.process import start_broker
    from tests.wire import Wire

    for typed, variables in ((options, {}), ([], env)):
        arguments = ["--port", "0", "--store", database, *typed]
        broker = await start_broker(*arguments, env=variables)
        first, second = await Wire.open(broker.port), await Wire.open(broker.port)
        assert "1 connections from your address" in (await second.read())["message"]
        assert "within 0.2 s" in (await first.read())["message"]
        for wire in (first, second):
            await wire.close()
        assert (await broker.stop()).code == 0
