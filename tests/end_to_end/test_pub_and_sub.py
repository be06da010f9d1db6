"""`pubsub pub`, `sub`, `topics` and `backlog` against a real broker."""

import asyncio
import json
import os
import signal
import subprocess
import sysconfig
from itertools import islice
from pathlib import Path

import pytest

from broker import Broker, Settings
from tests.process import PUBSUB, ROOT, environment, run

LINES = 100_000


@pytest.fixture
def connect_env(broker: Broker) -> dict[str, str]:
    """The environment that leads commands to `broker`."""
    return {"PUBSUB_CONNECT": f"127.0.0.1:{broker.port}"}


def real_lines(count: int) -> bytes:
    """Return `count` lines of real text: the sources of the standard library."""
    sources = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    texts = (path.read_bytes() for path in sources)
    lines = (line for text in texts if is_utf8(text) for line in text.split(b"\n"))
    return b"\n".join(islice(lines, count)) + b"\n"


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


async def test_a_file_of_real_lines_comes_back_byte_for_byte(
    connect_env: dict[str, str], tmp_path: Path
) -> None:
    original = tmp_path / "original"
    original.write_bytes(real_lines(LINES))
    assert original.read_bytes().count(b"\n") == LINES
    published = await run(
        "pub", "BOOK", "--email", "p@b.c", "--create", given=original, env=connect_env
    )
    assert (published.code, published.out, published.err) == (0, b"", "")
    copied = await run(
        *["sub", "BOOK", "--email", "s@b.c", "--create", "--count", str(LINES)], env=connect_env
    )
    assert (copied.code, copied.err) == (0, "")
    assert copied.out == original.read_bytes()
    again = await run("backlog", "--email", "s@b.c", "--json", env=connect_env)
    assert json.loads(again.out) == {"topic_name": "BOOK", "unread": 0}


async def test_sub_goes_on_right_after_what_it_printed(connect_env: dict[str, str]) -> None:
    given = "".join(f"{number}\n" for number in range(10)).encode()
    await run("pub", "T", "--email", "p@b.c", "--create", given=given, env=connect_env)
    printed = b""
    for count in (3, 4, 3):
        ended = await run(
            *["sub", "T", "--email", "s@b.c", "--create", "--count", str(count)], env=connect_env
        )
        printed += ended.out
    assert printed == given


async def test_sub_prints_what_is_published_while_it_runs_until_interrupted(
    connect_env: dict[str, str],
) -> None:
    await run("pub", "T", "before", "--email", "p@b.c", "--create", env=connect_env)
    process = await asyncio.create_subprocess_exec(
        *PUBSUB,
        *["sub", "T", "--email", "s@b.c", "--create", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(connect_env),
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline())["message"] == "before"
    await run("pub", "T", "meanwhile", "--email", "p@b.c", env=connect_env)
    live = json.loads(await process.stdout.readline())
    assert live.pop("published_at")
    assert live == {"topic": "T", "seq": 2, "publisher": "p@b.c", "message": "meanwhile"}
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


async def test_looking_does_not_end_the_session_that_listens(connect_env: dict[str, str]) -> None:
    await run("pub", "T", "1", "--email", "p@b.c", "--create", env=connect_env)
    process = await asyncio.create_subprocess_exec(
        *PUBSUB,
        *["sub", "T", "--email", "s@b.c", "--create", "--count", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(connect_env),
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"1\n"
    assert (await run("backlog", "--email", "s@b.c", env=connect_env)).code == 0
    assert (await run("topics", "--email", "s@b.c", env=connect_env)).code == 0
    await run("pub", "T", "2", "--email", "p@b.c", env=connect_env)
    assert (await process.communicate())[0] == b"2\n"
    assert process.returncode == 0


async def test_topics_and_backlog_tell_each_role_what_concerns_it(
    connect_env: dict[str, str],
) -> None:
    for topic, count in (("A", 3), ("B", 2)):
        given = b"x\n" * count
        await run("pub", topic, "--email", "p@b.c", "--create", given=given, env=connect_env)
    await run(
        *["sub", "A", "--email", "s@b.c", "--create", "--count", "1"],
        env=connect_env,
    )
    topics = await run("topics", "--email", "p@b.c", "--json", env=connect_env)
    shown = [json.loads(line) for line in topics.out.splitlines()]
    assert [(one["topic_name"], one["head"], one["subscribers"]) for one in shown] == [
        ("A", 3, 1),
        ("B", 2, 0),
    ]
    behind = await run("backlog", "--email", "p@b.c", "--json", env=connect_env)
    assert [json.loads(line) for line in behind.out.splitlines()] == [
        {"topic_name": "A", "subscriptions": 1, "behind": 1, "unread": 2},
        {"topic_name": "B", "subscriptions": 0, "behind": 0, "unread": 0},
    ]
    table = await run("backlog", "--email", "s@b.c", env=connect_env)
    assert table.out.decode().split() == ["TOPIC", "UNREAD", "A", "2"]


async def test_from_puts_the_cursor_where_it_says(connect_env: dict[str, str]) -> None:
    await run("pub", "T", "--email", "p@b.c", "--create", given=b"1\n2\n3\n", env=connect_env)
    subscribe = ["sub", "T", "--email", "s@b.c", "--create"]
    assert (await run(*subscribe, "--count", "3", env=connect_env)).out == b"1\n2\n3\n"
    again = await run(*subscribe, "--from", "2", "--count", "2", env=connect_env)
    assert again.out == b"2\n3\n"
    everything = await run(*subscribe, "--from", "all", "--count", "1", env=connect_env)
    assert everything.out == b"1\n"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["pub", "T", "x"], 2, "--email"),
        (["pub", "T", "x", "--email", "p@b.c"], 1, "--create"),
        (["pub", "T", "x", "--email", "not an address", "--create"], 1, "name@domain"),
        (["sub", "T", "--email", "s@b.c", "--create"], 1, "no topic 'T'"),
        (["sub", "T", "--email", "s@b.c", "--from", "-1"], 2, "--from"),
        (["sub", "--email", "s@b.c"], 2, "topics"),
        (["topics", "--email", "s@b.c"], 1, "`pubsub sub` make one with --create"),
        (["backlog", "--email", "s@b.c"], 1, "`pubsub sub` make one with --create"),
        (["topics", "--email", "s@b.c", "--connect", "127.0.0.1:1"], 3, "pubsub broker"),
        (["topics", "--email", "s@b.c", "--connect", "nowhere:"], 2, "HOST:PORT"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence_and_its_exit_code(
    connect_env: dict[str, str], arguments: list[str], code: int, told: str
) -> None:
    ended = await run(*arguments, env=connect_env)
    assert ended.code == code, ended.err
    assert ended.out == b""
    assert told in ended.err
    assert "Traceback" not in ended.err


MESSAGE_BYTES = 2**20  # that one may take as JSON


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"\n",
        b"a\r\n\n\nb\0c\n\x01\x1b[0m\n\xe2\x80\xa8 \xf0\x9f\x8c\xb7\n",
        b"no newline at the end",
        b"x" * (MESSAGE_BYTES - 2) + b"\n" + b"short\n" * 9,
        (b"\1" * 100_000 + b"\n") * 12,
        b'"\\\n' * 300_000,
    ],
    ids=["nothing", "a blank line", "odd", "unended", "the longest", "escapes", "many"],
)
async def test_lines_of_any_content_come_back_byte_for_byte(
    connect_env: dict[str, str], tmp_path: Path, given: bytes
) -> None:
    original = tmp_path / "original"  # a file is read in larger pieces than a pipe
    original.write_bytes(given)
    published = await run(
        *["pub", "T", "--email", "p@b.c", "--create"], given=original, env=connect_env
    )
    assert (published.code, published.out, published.err) == (0, b"", "")
    expected = given if given.endswith(b"\n") or not given else given + b"\n"
    count = expected.count(b"\n")
    if count:
        subscribe = ["sub", "T", "--email", "s@b.c", "--create", "--count", str(count)]
        assert (await run(*subscribe, env=connect_env)).out == expected
    behind = await run("backlog", "--email", "p@b.c", "--json", env=connect_env)
    assert json.loads(behind.out)["unread"] == 0


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (b"\xff", "is not UTF-8 text"),
        (b"x" * MESSAGE_BYTES, "takes more than"),
        (b"x" * 3 * MESSAGE_BYTES, "takes more than"),
        (b"\1" * 400_000, "takes more than"),
    ],
    ids=["not text", "too long", "much too long", "too long as JSON"],
)
@pytest.mark.parametrize("end", [b"", b"\nnext\n"])
async def test_pub_says_which_line_cannot_be_and_stores_those_before_it(
    connect_env: dict[str, str], bad: bytes, told: str, end: bytes
) -> None:
    ended = await run(
        *["pub", "T", "--email", "p@b.c", "--create"],
        given=b"good\nas good\n" + bad + end,
        env=connect_env,
    )
    assert ended.code == 1
    assert f"line 3 of the input {told}" in ended.err
    assert "2 messages are on disk, up to line 2" in ended.err
    topics = await run("topics", "--email", "p@b.c", "--json", env=connect_env)
    assert json.loads(topics.out)["head"] == 2


async def idle_pub(
    broker: Broker, connect_env: dict[str, str]
) -> tuple[asyncio.subprocess.Process, int]:
    """Return a `pub` whose first line is on disk and that waits for more, and its input."""
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *PUBSUB,
        *["pub", "T", "--email", "p@b.c", "--create"],
        stdin=reading,
        stderr=subprocess.PIPE,
        env=environment(connect_env),
        cwd=ROOT,
    )
    os.close(reading)
    os.write(writing, b"first\n")
    subscribe = ["sub", "T", "--email", "s@b.c", "--create", "--count", "1"]
    while (await run(*subscribe, env=connect_env)).code != 0:
        pass  # there is no topic yet
    return process, writing


async def test_an_interrupt_ends_pub_while_it_waits_for_a_line(
    broker: Broker, connect_env: dict[str, str]
) -> None:
    process, writing = await idle_pub(broker, connect_env)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"up to line 1;" in err
    assert b"Traceback" not in err
    os.close(writing)


async def test_pub_tells_of_a_lost_broker_and_goes_on_when_it_is_back(
    broker: Broker, database: str, connect_env: dict[str, str]
) -> None:
    process, writing = await idle_pub(broker, connect_env)
    assert process.stderr is not None
    await broker.stop()
    assert b"being stopped" in await process.stderr.readline()
    os.write(writing, b"second\n")
    os.close(writing)
    async with Broker(Settings(store_url=database, port=broker.port)):
        _, err = await process.communicate()
        assert (process.returncode, err.count(b"\n")) == (0, 1)
        assert b"connected again" in err
        subscribe = ["sub", "T", "--email", "s@b.c", "--count", "1"]
        assert (await run(*subscribe, env=connect_env)).out == b"second\n"


@pytest.mark.parametrize(
    ("shell", "told"),
    [
        ('"$@" pub T <&-', "standard input is closed"),
        ('"$@" pub T 0> /dev/null', "standard input cannot be read"),
        ('"$@" pub T "$(printf "\\377")"', "not UTF-8"),
        ('"$@" pub "$(printf "\\377")" --create', "not UTF-8"),
        ('"$@" topics >&-', "standard output is closed"),
        ('"$@" topics > /dev/full', "standard output cannot be written"),
        ('"$@" topics --json > /dev/full', "standard output cannot be written"),
        ('"$@" backlog --json > /dev/full', "standard output cannot be written"),
        ('"$@" sub T --email s@b.c --create > /dev/full', "standard output cannot be written"),
    ],
)
async def test_what_the_shell_hands_over_can_be_useless(
    connect_env: dict[str, str], shell: str, told: str
) -> None:
    env = connect_env | {"PUBSUB_EMAIL": "p@b.c"}
    await run("pub", "T", "message", "--create", env=env)
    ended = await run(env=env, command=["bash", "-c", shell, "-", *PUBSUB])
    assert ended.code in (1, 2)
    assert ended.err.startswith("pubsub: ")
    assert told in ended.err
    assert ended.err.count("\n") == 1, ended.err


async def test_a_closed_pipe_ends_sub_quietly(connect_env: dict[str, str]) -> None:
    given = b"".join(b"%d\n" % number for number in range(50_000))
    await run("pub", "T", "--email", "p@b.c", "--create", given=given, env=connect_env)
    shell = ["bash", "-c", '"$@" | head -n 1', "-", *PUBSUB]
    ended = await run("sub", "T", "--email", "s@b.c", "--create", env=connect_env, command=shell)
    assert ended.out == b"0\n"
    assert ended.err == ""


async def test_control_characters_do_not_reach_a_terminal(connect_env: dict[str, str]) -> None:
    await run("pub", "T", "a\x1b[2Jb\u202ec", "--email", "p@b.c", "--create", env=connect_env)
    command = " ".join([*PUBSUB, "sub", "T", "--email", "s@b.c", "--create", "--count", "1"])
    terminal = ["script", "--quiet", "--return", "--command", command, "/dev/null"]
    ended = await run(env=connect_env, command=terminal)
    assert ended.out.decode() == "a\\x1b[2Jb\\u202ec\r\n"
