"""Each example, run as a person runs it."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from broker import Broker
from clients import Publisher, Subscriber
from tests.process import ROOT, environment, run

EXAMPLES = ROOT / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))
ARGUMENTS = {
    "chat.py": ["me", "T"],
    "follow_file.py": [str(ROOT / "README.md"), "T"],
    "publish.py": ["T", "x"],
    "store_in_sqlite.py": [":memory:", "T"],
    "subscribe.py": ["T"],
}


def command(name: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / name)]


@pytest.fixture
def connect(broker: Broker) -> list[str]:
    return ["--connect", f"127.0.0.1:{broker.port}"]


@asynccontextmanager
async def running(name: str, *arguments: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An example that goes on until it is stopped, and is killed in the end."""
    process = await asyncio.create_subprocess_exec(
        *command(name),
        *map(str, arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode()


@pytest.fixture
async def publisher(broker: Broker) -> AsyncIterator[Publisher]:
    """A publisher of its own that has the topic T."""
    async with Publisher(f"127.0.0.1:{broker.port}", "test@b.c", create=True) as one:
        await one.create_topic("T")
        yield one


@pytest.fixture
async def reader(broker: Broker, publisher: Publisher) -> AsyncIterator[Subscriber]:
    async with Subscriber(f"127.0.0.1:{broker.port}", "reader@b.c", create=True) as one:
        await one.subscribe("T")
        yield one


def test_every_example_is_tried_here() -> None:
    assert sorted(ARGUMENTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_help_says_what_it_is_for(name: str) -> None:
    ended = await run("--help", command=command(name))
    assert ended.code == 0
    assert b"--connect" in ended.out
    assert len(ended.out.splitlines()) > 5


@pytest.mark.parametrize("name", NAMES)
async def test_without_a_broker_it_says_so_in_one_sentence(name: str) -> None:
    ended = await run(*ARGUMENTS[name], "--connect", "127.0.0.1:1", command=command(name))
    assert ended.code == 1
    assert ended.out == b""
    assert ended.err.startswith("no broker answered (127.0.0.1:1: Connection refused)")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_a_wrong_address_is_one_sentence(name: str) -> None:
    ended = await run(*ARGUMENTS[name], "--connect", "nowhere:", command=command(name))
    assert (ended.code, ended.out) == (1, b"")
    assert "HOST:PORT" in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_publish_and_subscribe(connect: list[str], publisher: Publisher) -> None:
    async with running("subscribe.py", "T", *connect) as subscriber:
        while not (await publisher.topics())[0].subscribers:  # noqa: ASYNC110  # polled
            await asyncio.sleep(0)
        for number, text in enumerate(["one", "\x1b[2J"], 1):
            ended = await run("T", text, *connect, command=command("publish.py"))
            assert ended.code == 0, ended.err
            assert ended.out.decode() == f"stored as number {number} of T\n"
        assert await line_of(subscriber) == "1 publisher@example.com 'one'\n"
        assert await line_of(subscriber) == "2 publisher@example.com '\\x1b[2J'\n"
        subscriber.send_signal(signal.SIGINT)
        out, err = await subscriber.communicate()
        assert (subscriber.returncode, out, err) == (130, b"", b"")


async def test_subscribe_to_nothing_is_one_sentence(connect: list[str]) -> None:
    ended = await run("nowhere", *connect, command=command("subscribe.py"))
    assert (ended.code, ended.out) == (1, b"")
    assert "no topic 'nowhere'" in ended.err


# follow_file.py


def append(path: Path, lines: Iterable[str], end: str = "\n") -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}{end}" for line in lines)


async def texts(reader: Subscriber, count: int) -> list[str]:
    return [(await anext(reader)).text for _ in range(count)]


async def test_a_followed_file_is_published_once_through_kills(
    tmp_path: Path, connect: list[str], reader: Subscriber
) -> None:
    path = tmp_path / "some log"
    written = 0

    def write(count: int) -> None:
        nonlocal written
        append(path, map(str, range(written, written + count)))
        written += count

    write(20_000)
    taken: list[str] = []
    for _ in range(3):
        async with running("follow_file.py", path, "T", *connect) as process:
            taken += await texts(reader, 5_000)
            write(1_000)
            process.kill()
    async with running("follow_file.py", path, "T", *connect) as process:
        append(path, ["half"], end="")
        taken += await texts(reader, written - len(taken))
        append(path, [" a line"])
        assert await texts(reader, 1) == ["half a line"]
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert (process.returncode, err) == (130, b"")
    assert taken == [*map(str, range(written))]


@pytest.mark.parametrize("how", ["moved", "emptied", "filled again"])
async def test_a_file_that_is_begun_anew_is_followed_from_its_first_line(
    tmp_path: Path, connect: list[str], reader: Subscriber, how: str
) -> None:
    path = tmp_path / "log"
    append(path, ["a", "b"])
    async with running("follow_file.py", path, "T", *connect):
        assert await texts(reader, 2) == ["a", "b"]
        if how == "moved":
            path.rename(tmp_path / "log.1")
            append(tmp_path / "log.1", ["last of the old"])
            append(path, ["c", "d", "e"])
            assert await texts(reader, 4) == ["last of the old", "c", "d", "e"]
        elif how == "emptied":
            path.write_text("")
            append(path, ["c"])
            assert await texts(reader, 1) == ["c"]
        else:
            path.write_text("".join(f"{line}\n" for line in "cdefg"))
            assert await texts(reader, 5) == [*"cdefg"]


async def test_bytes_that_are_no_text_are_published_as_far_as_they_are(
    tmp_path: Path, connect: list[str], reader: Subscriber
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"caf\xe9\n\xc3\xa4\n\n")
    async with running("follow_file.py", path, "T", *connect):
        assert await texts(reader, 3) == ["caf\ufffd", "ä", ""]


async def test_a_missing_file_is_one_sentence(tmp_path: Path, connect: list[str]) -> None:
    ended = await run(tmp_path / "none", "T", *connect, command=command("follow_file.py"))
    assert (ended.code, ended.out) == (1, b"")
    assert "No such file" in ended.err


# store_in_sqlite.py


async def test_the_bridge_to_sqlite_stores_each_message_once_through_kills(
    tmp_path: Path, connect: list[str], publisher: Publisher
) -> None:
    path = tmp_path / "messages.sqlite"
    await publisher.create_topic("U")
    await publisher.publish("U", "u")
    await publisher.publish_many("T", map(str, range(2_000)))
    for kill in range(1, 4):
        async with running("store_in_sqlite.py", path, "T", "U", *connect) as process:
            publishing = asyncio.create_task(
                publisher.publish_many("T", map(str, range(2_000 * kill, 2_000 * (kill + 1))))
            )
            await confirmed(publisher, 2_000 * kill + 1)  # and the rest is under way
            process.kill()
            await publishing
        await forget(connect[1])
    async with running("store_in_sqlite.py", path, "T", "U", *connect) as process:
        await publisher.publish("T", "8000")
        await confirmed(publisher, 8_001)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert (process.returncode, err) == (130, b"")
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT seq, text FROM messages WHERE topic = 'T' ORDER BY rowid")
        assert rows.fetchall() == [(number + 1, str(number)) for number in range(8_001)]
        rows = database.execute("SELECT * FROM messages WHERE topic = 'U'")
        ((topic, seq, published_at, who, text),) = rows.fetchall()
    assert (topic, seq, who, text) == ("U", 1, "test@b.c", "u")
    assert published_at.endswith("+00:00")


async def forget(brokers: str) -> None:
    """Put the bridge's subscription back, as if the broker had heard of nothing."""
    async with Subscriber(brokers, "sqlite@example.com") as subscriber:
        await subscriber.subscribe("T", "all")


async def confirmed(publisher: Publisher, seq: int) -> None:
    """Return when the bridge has said of T that it has stored all up to `seq`."""
    while not (await publisher.confirmations("T", seq)).confirmed:  # noqa: ASYNC110  # polled
        await asyncio.sleep(0)


# chat.py


async def test_two_people_chat(connect: list[str]) -> None:
    async with running("chat.py", "ann", "PUB", *connect) as ann:
        assert await line_of(ann) == "You are in PUB. Type, and press Enter.\n"
        async with running("chat.py", "Bob", "PUB", *connect) as bob:
            await line_of(bob)
            say(bob, "hello\x1b[2J\n")
            assert await line_of(ann) == "bob: hello?[2J\n"
            say(ann, "hi, Bob\nhow are you?\n")
            assert await line_of(bob) == "ann: hi, Bob\n"
            assert await line_of(bob) == "ann: how are you?\n"
            await leave(bob)
        say(ann, "still there?\n")
        async with running("chat.py", "Bob", "PUB", *connect) as bob:
            await line_of(bob)
            assert await line_of(bob) == "ann: still there?\n"
            await leave(bob)
        ann.send_signal(signal.SIGINT)
        out, err = await ann.communicate()
        assert (ann.returncode, out, err) == (130, b"", b"")


def say(person: asyncio.subprocess.Process, text: str) -> None:
    assert person.stdin is not None
    person.stdin.write(text.encode())


async def leave(person: asyncio.subprocess.Process) -> None:
    assert person.stdin is not None
    person.stdin.close()
    out, err = await person.communicate()
    assert (person.returncode, out, err) == (0, b"", b"")


def test_the_two_short_ones_are_short() -> None:
    for name, function in (("publish.py", "publish"), ("subscribe.py", "subscribe")):
        body = (EXAMPLES / name).read_text().split(f"async def {function}")[1].split("\n\n\n")[0]
        code = [line for line in body.splitlines() if not line.lstrip().startswith("#")]
        assert len(code) <= 5
