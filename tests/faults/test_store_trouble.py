"""A slow, full or blocked PostgreSQL, and clocks that jump: publishers wait, and work goes on."""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from broker import Broker, Settings
from broker.settings import MIB
from tests.faults.postgres_proxy import with_setting
from tests.faults.proof import work_goes_on
from tests.faults.shop import Shop, good, wires
from tests.patience import until


@pytest.fixture
async def stranger(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's connection to the same database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def test_a_stranger_s_long_transaction_holds_nobody_up(
    database: str, stranger: asyncpg.Connection
) -> None:
    async with (
        Broker(Settings(store_url=database, port=0)) as broker,
        Shop.on(broker.port) as shop,
        stranger.transaction(isolation="repeatable_read"),
    ):
        for table in ("topics", "blocks", "subscriptions", "accounts"):
            await stranger.execute(f"SELECT count(*) FROM {table}")
        for number in range(20):
            good(await shop.publish(f"number {number}"))
        await shop.check()
        await work_goes_on(broker.port)


async def test_a_stranger_s_lock_is_waited_for_up_to_the_limit_and_then_told(
    database: str, stranger: asyncpg.Connection
) -> None:
    settings = Settings(store_url=database, port=0, store_wait_s=0.3)
    async with Broker(settings) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        async with stranger.transaction():
            await stranger.execute("SELECT FROM topics FOR UPDATE")
            assert (await shop.publish("in doubt"))["reason"] == "store_unavailable"
        # Nobody took it back, so it is stored as soon as it can be.
        shop.stored.append("in doubt")
        await shop.check()
        await until(lambda: signs_in(shop, 2))
        good(await shop.publish("after"))
        await shop.check()
        await work_goes_on(broker.port)


async def signs_in(shop: Shop, last_id: int) -> bool:
    return await shop.sign_in_again() == last_id


async def test_subscribers_that_meet_a_blocked_store_share_one_try_to_save_cursors(
    database: str, stranger: asyncpg.Connection
) -> None:
    settings = Settings(store_url=database, port=0, store_wait_s=0.3, cursor_save_s=1000)
    async with (
        Broker(settings) as broker,
        Shop.on(broker.port) as shop,
        wires(broker.port, 50) as crowd,
    ):
        for number, wire in enumerate(crowd):
            wire.send("create", user_email=f"s{number}@b.c", user_type="subscriber")
            good(await wire.read())
        good(await shop.publish("read and confirmed"))
        await shop.check()
        async with stranger.transaction():
            await stranger.execute("LOCK TABLE subscriptions")
            good(await shop.subscriber.ask("ack", topic_name="T", seq=1))
            for number, wire in enumerate(crowd):
                wire.send("connect", user_email=f"s{number}@b.c", version=2)
            answers = [await wire.read() for wire in crowd]
            assert {answer["reason"] for answer in answers} == {"store_unavailable"}
        await work_goes_on(broker.port)


async def test_a_producer_is_told_when_nobody_knows_yet_what_became_of_its_publish(
    database: str, stranger: asyncpg.Connection
) -> None:
    settings = Settings(store_url=database, port=0, store_wait_s=0.3)
    async with (
        Broker(settings) as broker,
        Shop.on(broker.port) as shop,
        wires(broker.port, 1) as (again,),
    ):
        good(await shop.publish("before"))
        async with stranger.transaction():
            await stranger.execute("SELECT FROM topics FOR UPDATE")
            assert (await shop.publish("in doubt"))["reason"] == "store_unavailable"
            who = {"user_email": "p@b.c", "version": 2, "producer": "till"}
            assert (await again.ask("connect", **who))["reason"] == "store_unavailable"
        shop.stored.append("in doubt")
        await shop.check()
        await work_goes_on(broker.port)


async def test_while_commits_take_long_what_comes_shares_the_next_one(database: str) -> None:
    slow = with_setting(with_setting(database, "commit_delay", "100000"), "commit_siblings", "0")
    async with (
        Broker(Settings(store_url=slow, port=0)) as broker,
        Shop.on(broker.port),
        wires(broker.port, 20) as others,
    ):
        for number, other in enumerate(others):
            who = {"user_email": f"p{number}@b.c", "user_type": "publisher"}
            other.send("create", **who)
        for other in others:
            good(await other.read())
        commits = broker.snapshot().commits
        for turn in range(5):
            for other in others:
                other.send("publish_msg", topic_name="T", msg=f"turn {turn}")
        for other in others:
            for answer in await other.read_many(5):
                good(answer)
        # One would be enough, and a busy machine may need some more.
        assert broker.snapshot().commits - commits < 100 / 2
        await work_goes_on(broker.port)


@pytest.mark.parametrize("jump_s", [-400 * 86_400, 400 * 86_400])
async def test_a_clock_that_jumps_changes_neither_order_nor_delivery(
    database: str, stranger: asyncpg.Connection, jump_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Broker(Settings(store_url=database, port=0)) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + jump_s)
        await stranger.execute(
            "ALTER TABLE blocks ALTER committed_at"
            f" SET DEFAULT clock_timestamp() + interval '{jump_s} seconds'"
        )
        good(await shop.publish("after the jump"))
        await stranger.execute("ALTER TABLE blocks ALTER committed_at SET DEFAULT now()")
        monkeypatch.undo()
        good(await shop.publish("after the jump back"))
        await shop.check()
        await work_goes_on(broker.port)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, with room for PostgreSQL and little else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.timeout(60)
async def test_a_disk_below_its_floor_refuses_publishes_until_there_is_space(
    small_disk: Path,
) -> None:
    settings = Settings(data_dir=small_disk / "data", port=0, disk_floor_bytes=8 * MIB)
    async with Broker(settings) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        fill(small_disk / "filler")
        await until(lambda: refused(shop, "low_disk"))
        await shop.check()  # reading goes on
        (small_disk / "filler").unlink()
        await work_goes_on(broker.port)


@pytest.mark.timeout(60)
async def test_a_disk_that_fills_up_before_anybody_looks_refuses_what_has_no_room(
    small_disk: Path,
) -> None:
    settings = Settings(data_dir=small_disk / "data", port=0, disk_floor_bytes=0)
    async with Broker(settings) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        fill(small_disk / "filler")
        await until(lambda: refused(shop, "store_unavailable", "x" * 500_000))
        await shop.check()
        (small_disk / "filler").unlink()
        await work_goes_on(broker.port)


async def refused(shop: Shop, reason: str, text: str = "x") -> bool:
    """Publish, and tell whether that is refused for this reason."""
    return (await shop.publish(text)).get("reason") == reason


@pytest.mark.timeout(60)
async def test_a_postgresql_that_crashes_on_a_full_disk_is_back_when_there_is_space(
    small_disk: Path,
) -> None:
    data = small_disk / "data"
    settings = Settings(data_dir=data, port=0, disk_floor_bytes=0, store_wait_s=1)
    async with Broker(settings) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        fill(small_disk / "filler")
        await crash_without_room(data)
        assert (await shop.publish("in doubt"))["reason"] == "store_unavailable"
        (small_disk / "filler").unlink()
        await work_goes_on(broker.port)
        assert b"PANIC" in (data / "postgres.log").read_bytes()
        if await shop.sign_in_again() == 2:  # either may have become of it
            shop.stored.append("in doubt")
        good(await shop.publish("after"))
        await shop.check()


async def crash_without_room(data: Path) -> None:
    """Write to PostgreSQL's log, and to nothing else, until it finds no room for that."""
    connection = await asyncpg.connect(host=str(data / "socket"), user="postgres")
    with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
        while True:
            await connection.execute(
                "SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000000))"
            )
    connection.terminate()


def fill(filler: Path) -> None:
    """Leave no byte free."""
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(MIB))
                file.flush()
        except OSError:
            pass
