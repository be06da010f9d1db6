"""Deleting and keeping for a time, as a person types it, and through a kill in the middle."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.end_to_end.test_kill import postmaster
from tests.process import BrokerProcess, run, running_broker, start_broker
from tests.terminal import Terminal, terminal
from tests.wire import Wire

MANY = 3_000  # blocks: several times what one statement takes out


@pytest.fixture
async def site(database: str) -> AsyncIterator[BrokerProcess]:
    async with running_broker("--store", database) as broker:
        yield broker


def given(broker: BrokerProcess, email: str = "p@b.c") -> dict[str, str]:
    return {"PUBSUB_CONNECT": broker.connect, "PUBSUB_EMAIL": email}


async def answer(asking: Terminal, *asked_and_typed: tuple[str, str]) -> None:
    for asked, typed in asked_and_typed:
        await asking.until(asked)
        asking.press(f"{typed}\n")


async def two_messages(broker: BrokerProcess, topic: str = "T") -> None:
    for text in ("a", "b"):
        assert (await run("pub", topic, text, "--create", env=given(broker))).code == 0


# on the command line


async def test_a_topic_is_deleted_once_a_person_has_said_so_twice(
    site: BrokerProcess, tmp_path: Path
) -> None:
    await two_messages(site)
    env = given(site)
    async with terminal("topics", "--delete", "T", home=tmp_path, env=env) as asking:
        await asking.until("the topic 'T' would go, with its 2 messages and 0 subscriptions")
        await answer(asking, ("Delete it? [y/N]", "y"), ("Type T to delete it for good:", "T"))
        await asking.until("the topic 'T' is deleted")
        assert await asking.code() == 0
    assert (await run("topics", env=env)).out == b""
    again = await run("topics", "--delete", "T", "--yes", env=env)
    assert (again.code, again.out) == (1, b"")
    assert again.err == "pubsub: there is no topic 'T'; `pubsub topics` lists them\n"


@pytest.mark.parametrize(
    "typed", [[("[y/N]", "n")], [("[y/N]", "")], [("[y/N]", "y"), ("for good:", "U")]]
)
async def test_who_does_not_say_so_twice_deletes_nothing(
    site: BrokerProcess, tmp_path: Path, typed: list[tuple[str, str]]
) -> None:
    await two_messages(site)
    async with terminal("topics", "--delete", "T", home=tmp_path, env=given(site)) as asking:
        await answer(asking, *typed)
        await asking.until("nothing was deleted")
        assert await asking.code() == 1
    assert b"T" in (await run("topics", env=given(site))).out


async def test_without_a_terminal_it_takes_yes(site: BrokerProcess) -> None:
    await two_messages(site)
    for command in (["topics", "--delete", "T"], ["account", "--delete"]):
        ended = await run(*command, env=given(site))
        assert (ended.code, ended.out) == (2, b"")
        assert ended.err == (
            "pubsub: there is no terminal to ask on; add --yes to delete it without being asked\n"
        )
    ended = await run("topics", "--delete", "T", "--yes", env=given(site))
    assert ended.code == 0
    assert ended.err.splitlines()[-1] == "pubsub: the topic 'T' is deleted"


async def test_only_who_made_a_topic_can_delete_it(site: BrokerProcess) -> None:
    await two_messages(site)
    await two_messages(site, "U")
    await run("pub", "T", "c", "--create", env=given(site, "other@b.c"))
    ended = await run("topics", "--delete", "T", "--yes", env=given(site, "other@b.c"))
    assert ended.code == 1
    assert "only the account that made 'T' can delete it" in ended.err
    await run("sub", "T", "--count", "1", "--create", env=given(site, "s@b.c"))
    ended = await run("topics", "--delete", "T", "--yes", env=given(site, "s@b.c"))
    assert ended.code == 1
    assert "only a publisher can delete a topic" in ended.err


async def test_an_account_is_shown_and_deleted(site: BrokerProcess, tmp_path: Path) -> None:
    await two_messages(site)
    env = given(site, "s@b.c")
    await run("sub", "T", "--count", "1", "--create", env=env)
    shown = await run("account", env=env)
    assert shown.out == b"s@b.c is a subscriber of 1 topics, with 1 unread messages\n"
    assert (await run("account", env=given(site))).out == b"p@b.c is a publisher\n"
    async with terminal("account", "--delete", home=tmp_path, env=env) as asking:
        await asking.until("the subscriber s@b.c would go, with its 1 subscriptions")
        await answer(asking, ("[y/N]", "y"), ("Type s@b.c to delete it for good:", "s@b.c"))
        await asking.until("the account s@b.c is deleted")
        assert await asking.code() == 0
    ended = await run("account", env=env)
    assert ended.code == 1
    assert "s@b.c has no account yet" in ended.err


async def test_sub_ends_when_all_its_topics_are_deleted(
    site: BrokerProcess, tmp_path: Path
) -> None:
    await two_messages(site)
    arguments = ("sub", "T", "--create")
    async with terminal(*arguments, home=tmp_path, env=given(site, "s@b.c")) as reading:
        await reading.until("b")
        assert (await run("topics", "--delete", "T", "--yes", env=given(site))).code == 0
        await reading.until("T: the topic was deleted")
        await reading.until("there is nothing left to print")
        assert await reading.code() == 1


# keeping for a time


async def test_what_is_too_old_goes_and_sub_says_so(database: str) -> None:
    async with running_broker("--store", database) as broker:
        await two_messages(broker)
        ended = await run("sub", "T", "--count", "1", "--create", env=given(broker, "s@b.c"))
        assert ended.out == b"a\n"
        await run("pub", "T", "c", env=given(broker))
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE blocks SET committed_at = now() - interval '8 days'")
    await connection.close()
    async with running_broker("--store", database, "--retain-for", "7d") as broker:
        await broker.logs("old messages taken out: 3; topics: 1")
        await run("pub", "T", "d", env=given(broker))
        env = given(broker, "s@b.c")
        shown = await run("backlog", env=env)
        assert shown.out.split() == [b"TOPIC", b"UNREAD", b"T", b"1"]
        ended = await run("sub", "T", "--count", "1", env=env)
        assert (ended.code, ended.out) == (0, b"d\n")
        gone = "T: messages 2 to 3 are gone: the broker no longer keeps them"
        assert ended.err == f"pubsub: {gone}\n"
        listed = await run("topics", env=env)
        assert listed.out.splitlines()[1].split()[:4] == [b"T", b"1", b"1", b"0"]


async def test_a_topic_keeps_its_newest_bytes(database: str) -> None:
    async with running_broker("--store", database) as broker:
        await two_messages(broker)
    async with running_broker("--store", database, "--retain-bytes", "4") as broker:
        await broker.logs("old messages taken out: 1; topics: 1")
        ended = await run("sub", "T", "--count", "1", "--create", env=given(broker, "s@b.c"))
        assert (ended.out, ended.err) == (b"b\n", "")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--retain-for", "7", "a time is written as 90s, 30m, 12h or 7d, not '7'"),
        ("--retain-for", "7w", "a time is written as"),
        ("--retain-for", "0.9s", "--retain-for takes a second or more"),
        ("--retain-bytes", "much", "a size is written as 500MB, 10GB or 10GiB, not 'much'"),
        ("--retain-bytes", "0", "--retain-bytes takes a byte or more"),
        ("--retain-bytes", "-1GB", "a size is written as"),
    ],
)
async def test_what_is_no_time_or_size_is_told(option: str, value: str, words: str) -> None:
    ended = await run("broker", f"{option}={value}")
    assert ended.code == 2
    assert words in ended.err


# a kill in the middle


async def fill(broker: BrokerProcess) -> Wire:
    """Return a publisher whose topic T has many blocks; U is another one."""
    wire = await Wire.open(broker.port)
    await wire.ask("create", user_email="p@b.c", user_type="publisher", version=2)
    for topic in ("T", "U"):
        await wire.ask("create_topic", topic_name=topic)
    assert (await wire.ask("publish_msg", topic_name="T", msg="a"))["seq"] == 1
    return wire


async def blow_up(database: str) -> None:
    """Let T have many blocks, as if each had been published alone."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO blocks (topic_id, count, first_seq, batch, publishers, bodies)"
        " SELECT topic_id, 1, seq, seq, publishers, bodies FROM blocks,"
        " generate_series(2, $1) AS seq WHERE first_seq = 1 AND topic_id = 1",
        MANY,
    )
    await connection.execute("UPDATE topics SET head = $1 WHERE id = 1", MANY)
    await connection.close()


async def test_a_broker_killed_while_it_deletes_a_topic_leaves_one_with_a_gap(
    database: str,
) -> None:
    broker = await start_broker("--store", database, "--port", "0")
    await (await fill(broker)).close()
    await broker.stop()
    await blow_up(database)
    broker = await start_broker("--store", database, "--port", "0")
    wire = await Wire.open(broker.port)
    await wire.ask("connect", user_email="p@b.c", version=2)
    connection = await asyncpg.connect(database)
    holding = connection.transaction()
    await holding.start()  # a lock on a block in the middle stops it there
    await connection.execute(
        "SELECT FROM blocks WHERE topic_id = 1 AND first_seq = 1200 FOR UPDATE"
    )
    wire.send("delete_topic", topic_name="T")
    watch = await asyncpg.connect(database)
    async with asyncio.timeout(15):
        while await watch.fetchval("SELECT tail FROM topics WHERE id = 1") < 1_000:
            pass
    await broker.kill()
    await holding.rollback()
    await wire.close()
    orphans = "SELECT count(*) FROM blocks LEFT JOIN topics ON id = topic_id WHERE id IS NULL"
    broker = await start_broker("--store", database, "--port", "0")
    tail, head = (await watch.fetch("SELECT tail, head FROM topics WHERE id = 1"))[0]
    assert 1_000 <= tail < head == MANY
    assert await watch.fetchval(orphans) == 0
    assert await watch.fetchval("SELECT min(first_seq) FROM blocks WHERE topic_id = 1") == tail + 1
    wire = await Wire.open(broker.port)
    await wire.ask("connect", user_email="p@b.c", version=2)
    page = await wire.ask("history", topic_name="T", after=0, limit=1)
    assert page["blocks"][0]["seq"] == tail + 1
    assert (await wire.ask("publish_msg", topic_name="T", msg="b"))["seq"] == MANY + 1
    assert (await wire.ask("delete_topic", topic_name="T"))["action"] == "success"
    assert await watch.fetchval("SELECT count(*) FROM blocks") == 0
    for one in (connection, watch):
        await one.close()
    await wire.close()
    assert (await broker.stop()).code == 0


async def test_publishing_to_other_topics_goes_on_while_one_is_deleted(database: str) -> None:
    async with running_broker("--store", database) as broker:
        await (await fill(broker)).close()
    await blow_up(database)
    async with running_broker("--store", database) as broker:
        owner, other = await Wire.open(broker.port), await Wire.open(broker.port)
        await owner.ask("connect", user_email="p@b.c", version=2)
        await other.ask("connect", user_email="p@b.c", version=2)
        deleting = asyncio.ensure_future(owner.ask("delete_topic", topic_name="T"))
        published = 0
        while not deleting.done() or published < 200:
            published += 1
            reply = await other.ask("publish_msg", topic_name="U", msg="x")
            assert reply["seq"] == published
        assert (await deleting)["action"] == "success"
        refused = await other.ask("publish_msg", topic_name="T", msg="x")
        assert refused["reason"] == "topic_not_found"
        for wire in (owner, other):
            await wire.close()
        ended = await broker.stop()
        assert "Traceback" not in ended.err
        assert "refused" not in ended.err


async def test_postgresql_killed_while_a_topic_is_deleted_is_waited_for(data_dir: Path) -> None:
    broker = await start_broker("--data-dir", data_dir, "--port", "0")
    wire = await fill(broker)
    os.kill(postmaster(data_dir), signal.SIGKILL)
    assert (await wire.ask("delete_topic", topic_name="T"))["action"] == "success"
    assert (await wire.ask("create_topic", topic_name="T"))["action"] == "success"
    assert (await wire.ask("publish_msg", topic_name="T", msg="x"))["seq"] == 1
    await wire.close()
    assert (await broker.stop()).code == 0
