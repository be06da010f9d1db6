"""`pubsub copy`, as a person runs it."""

import asyncio
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from broker.store.copying import CopiedAccount, CopiedTopic, TopicBlocks
from broker.store.interface import StoredBlock
from broker.store.places import copyable
from protocol.frames import encode_bodies
from protocol.names import Role
from tests.process import PUBSUB, ROOT, environment, run, running_broker
from tests.terminal import terminal
from tests.wire import Wire

pytestmark = pytest.mark.timeout(60)  # several PostgreSQL servers start, on a busy machine

NOW = datetime(2024, 1, 1, tzinfo=UTC)
LARGE = 2**20 - 3  # with its quotes and newline exactly what eight make a chunk of
BLOCKS = 20
SAME = "the same as {}, compared message by message: {}\n"


@pytest.fixture
async def admin(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def large(data_dir: Path) -> Path:
    """A data directory with several chunks of messages."""
    store = copyable(str(data_dir))
    await store.open(there=False)
    await store.put_accounts([CopiedAccount("shop@b.c", Role.PUBLISHER, None)])
    await store.put_topics([CopiedTopic("ORDERS", "shop@b.c", NOW, 0, 0)])
    for seq in range(1, BLOCKS + 1):
        bodies = encode_bodies([chr(64 + seq) * LARGE])
        blocks = [StoredBlock(seq, 1, ("shop@b.c",), NOW, bodies)]
        await store.put_blocks([TopicBlocks("ORDERS", blocks)])
    await store.close()
    return data_dir


# there and back


async def publish(port: int, number: int, text: str) -> None:
    wire = await Wire.open(port)
    keys = {"user_email": "shop@b.c", "version": 2, "producer": "till", "password": "correct horse"}
    assert (await wire.ask("connect", id=0, **keys))["action"] == "success"
    told = await wire.ask("publish_msg", topic_name="ORDERS", msg=text, id=number)
    assert told["action"] == "success"
    await wire.close()


async def unread(port: int) -> list[object]:
    """Return what Ann has not read, and confirm none of it."""
    wire = await Wire.open(port)
    wire.send("connect", user_email="ann@b.c", version=2, password="battery staple", id=0)
    _, *lines = await wire.read_until_closed()
    await wire.close()
    return [(line["seq"], line["messages"], line["publishers"]) for line in lines]


async def live(port: int) -> None:
    """Have a shop publish four messages, of which Ann confirms two."""
    wire = await Wire.open(port)
    keys = {"user_type": "publisher", "password": "correct horse"}
    assert (await wire.ask("create", user_email="shop@b.c", **keys))["action"] == "success"
    await wire.ask("create_topic", topic_name="ORDERS")
    await wire.close()
    wire = await Wire.open(port)
    keys = {"user_type": "subscriber", "password": "battery staple"}
    await wire.ask("create", user_email="ann@b.c", version=2, **keys)
    assert (await wire.ask("subscribe", topic_name="ORDERS"))["action"] == "success"
    for number, text in enumerate(["one", "two", "three \N{SNOWMAN}", "four"], 1):
        await publish(port, number, text)
    for _ in range(4):
        assert (await wire.read())["action"] == "broadcast"
    assert (await wire.ask("ack", topic_name="ORDERS", seq=2))["action"] == "success"
    await wire.close()


async def test_a_store_goes_to_a_server_and_back_and_nobody_notices(
    data_dir: Path, database: str, tmp_path: Path
) -> None:
    async with running_broker("--data-dir", data_dir) as broker:
        await live(broker.port)
        before = await unread(broker.port)
    assert before == [(3, ["three \N{SNOWMAN}"], ["shop@b.c"]), (4, ["four"], ["shop@b.c"])]
    counts = "2 accounts, 1 topic, 4 messages, 1 subscription, 1 producer"
    there = await run("copy", "--from", data_dir, "--to", database)
    assert (there.code, there.out) == (0, b"")
    assert there.err.endswith(SAME.format(f"the data directory {data_dir}", counts))
    back = await run("copy", env={"PUBSUB_COPY_FROM": database, "PUBSUB_COPY_TO": "."},
                     cwd=_made(tmp_path / "another one"))  # fmt: skip
    assert (back.code, back.out) == (0, b"")
    for where in (["--store", database], ["--data-dir", tmp_path / "another one"]):
        async with running_broker("--auth", "password", *where) as broker:
            assert await unread(broker.port) == before
            await publish(broker.port, 4, "four, which is there")
            await publish(broker.port, 5, "five")
            after = [*before, (5, ["five"], ["shop@b.c"])]
            assert await unread(broker.port) == after
    again = await run("copy", "--from", data_dir, "--to", database)
    assert again.code == 1
    assert "something else than an unfinished copy" in again.err
    assert "somebody has signed in to it. Nothing was changed" in again.err


@pytest.mark.slow
async def test_a_store_goes_to_jetstream_and_back_and_nobody_notices(
    data_dir: Path, jetstream: str, database: str
) -> None:
    async with running_broker("--data-dir", data_dir) as broker:
        await live(broker.port)
        before = await unread(broker.port)
    counts = "2 accounts, 1 topic, 4 messages, 1 subscription, 1 producer"
    for source, target in ((str(data_dir), jetstream), (jetstream, database)):
        ended = await run("copy", "--from", source, "--to", target)
        assert ended.code == 0
        assert ended.err.endswith(f"compared message by message: {counts}\n")
    twice = await run("copy", "--from", jetstream, "--to", jetstream)
    assert twice.code == 2
    assert "--from and --to are the same place, NATS at 127.0.0.1:" in twice.err
    for where in (jetstream, database):
        async with running_broker("--auth", "password", "--store", where) as broker:
            assert await unread(broker.port) == before
            await publish(broker.port, 4, "four, which is there")
            await publish(broker.port, 5, "five")
            after = [*before, (5, ["five"], ["shop@b.c"])]
            assert await unread(broker.port) == after
    again = await run("copy", "--from", data_dir, "--to", jetstream)
    assert again.code == 1
    assert "somebody has signed in to it. Nothing was changed" in again.err


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# broken off

# The third message of the second chunk waits for whoever holds the lock.
HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.first_seq = 11 THEN PERFORM pg_advisory_xact_lock_shared(4711); END IF;
    RETURN new;
END $$;
CREATE TRIGGER hold BEFORE INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION hold();
SELECT pg_advisory_lock(4711);
"""
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE objid = 4711 AND NOT granted)"


async def test_ctrl_c_in_the_middle_keeps_what_is_there_and_the_next_run_goes_on(
    large: Path, database: str, admin: asyncpg.Connection
) -> None:
    await admin.execute(HOLD)
    copying = await asyncio.create_subprocess_exec(
        *PUBSUB,
        *["copy", "--from", str(large), "--to", database],
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    )
    while not await admin.fetchval(WAITS):
        assert copying.returncode is None
    copying.send_signal(signal.SIGINT)
    _, told = await copying.communicate()
    assert copying.returncode == 130
    assert told.decode() == (
        "pubsub: interrupted; 8 messages copied now and kept; the same command goes on there\n"
    )
    assert await admin.fetchval("SELECT head FROM topics") == 8
    await admin.execute("DROP FUNCTION hold CASCADE")
    ended = await run("copy", "--from", large, "--to", database)
    assert ended.code == 0
    checking, copied, compared, same = ended.err.splitlines()
    assert checking.startswith("pubsub: comparing what is there: 8 of 8 messages, 8.4 MB, ")
    assert copied.startswith("pubsub: copying: 12 of 12 messages, 12.6 MB, ")
    assert compared.startswith("pubsub: comparing both sides: 12 of 12 messages, 12.6 MB, ")
    assert same.endswith("1 account, 1 topic, 20 messages, 0 subscriptions, 0 producers")
    assert await admin.fetchval("SELECT array_agg(first_seq ORDER BY first_seq) FROM blocks") == [
        *range(1, BLOCKS + 1)
    ]


async def test_a_server_that_goes_away_in_the_middle_is_told_with_what_to_do(
    large: Path, database: str, admin: asyncpg.Connection
) -> None:
    await admin.execute(HOLD)
    copying = asyncio.create_task(run("copy", "--from", large, "--to", database))
    while not await admin.fetchval(WAITS):
        assert not copying.done()
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = 4711 AND NOT granted"
    )
    ended = await copying
    assert ended.code == 1
    assert "a store did not do what it was asked: the connection broke" in ended.err
    assert "the same command goes on there" in ended.err
    assert ended.err.count("\n") == 1


async def test_on_a_terminal_a_bar_is_drawn(large: Path, database: str, tmp_path: Path) -> None:
    async with terminal("copy", "--from", large, "--to", database, home=tmp_path) as screen:
        await screen.until("1 account, 1 topic, 20", limit_s=40)
        assert await screen.code() == 0
        assert re.search("copying +━+ 20 of 20 messages  21.0 MB  ", screen.shown)


# what cannot be done


async def test_one_place_is_not_copied_onto_itself(large: Path) -> None:
    twice = await run("copy", "--from", large, "--to", large.parent / "." / large.name)
    assert (twice.code, twice.out) == (2, b"")
    assert twice.err == (
        f"pubsub: --from and --to are the same place, the data directory {large}; name another"
        " one\n"
    )


async def test_a_data_directory_that_is_served_is_not_copied(
    data_dir: Path, tmp_path: Path
) -> None:
    async with running_broker("--data-dir", data_dir) as broker:
        ended = await run("copy", "--from", data_dir, "--to", tmp_path / "new")
        assert ended.code == 1
        assert f"is in use by the broker with pid {broker.pid}" in ended.err
    assert not (tmp_path / "new").exists()


async def test_a_source_that_is_not_there_and_a_url_that_is_none_are_told(tmp_path: Path) -> None:
    ended = await run("copy", "--from", tmp_path / "\x1b[2J", "--to", tmp_path / "new")
    assert ended.code == 1
    assert "\\x1b[2J is no data directory of a broker" in ended.err
    assert [*tmp_path.iterdir()] == []
    ended = await run("copy", "--from", "mysql://x", "--to", tmp_path / "new")
    assert ended.code == 2
    assert ended.err == (
        "pubsub: --from: it takes postgresql://..., nats://... or a data directory, not a URL that"
        " begins with mysql://\n"
    )


async def test_a_password_that_is_typed_is_warned_of_and_never_told(large: Path) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/x"
    ended = await run("copy", "--from", large, "--to", url)
    assert ended.code == 1
    warning, refusal = ended.err.splitlines()
    assert warning.startswith("pubsub: the password in --to can be seen by everyone")
    assert warning.endswith("PUBSUB_COPY_TO keeps it from them")
    assert "127.0.0.1:1/x cannot be used" in refusal
    assert "in --to are right" in refusal
    assert "secret" not in ended.err
    ended = await run("copy", env={"PUBSUB_COPY_FROM": url, "PUBSUB_COPY_TO": str(large)})
    assert "can be seen" not in ended.err
    assert "in --from are right" in ended.err
