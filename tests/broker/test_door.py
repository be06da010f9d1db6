"""Who has to stay outside: one line that says why, and those inside do not notice."""

import asyncio
import logging
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker import Auth, Broker, CannotListen, Settings, TooOpen
from broker.door import network
from broker.listening import bind, close, watch_peers
from tests.certificates import Certificates
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire, until

TCP_REPAIR = 19  # closes without a FIN (linux/tcp.h)

SUCCESS = {"action": "success", "code": 0}


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Broker]:
    made = Settings(store_url="memory", port=0, **{"stop_wait_s": 0.2, **settings})
    async with Broker(made, MemoryStore()) as broker:
        yield broker


async def shop(broker: Broker, email: str = "shop@b.c", **how: Any) -> Wire:
    wire = await Wire.open(broker.port, **how)
    assert await wire.ask("create", user_email=email, user_type="publisher") == SUCCESS
    return wire


async def turned_away(wire: Wire) -> str:
    """Return what the one line says that comes before the end."""
    line = await wire.read()
    assert line.keys() == {"action", "message"}
    assert line["action"] == "error"
    assert await wire.read_line() == b""
    await wire.close()
    return str(line["message"])


# room


async def test_one_too_many_is_turned_away_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with running(connections=2) as broker:
        first, second = await shop(broker), await Wire.open(broker.port)
        for _ in range(50):
            third = await Wire.open(broker.port)
            third.send("connect", user_email="shop@b.c")
            assert "no room for more than 2 connections" in await turned_away(third)
        assert (await first.ask("list_topics"))["topics"] == []
        await second.close()
        await until(lambda: len(broker._connections) == 1)
        again = await Wire.open(broker.port)
        assert await again.ask("connect", user_email="shop@b.c") == SUCCESS
        for wire in (first, again):
            await wire.close()
    assert "127.0.0.1 is turned away" in caplog.text
    assert caplog.text.count("turned away") < 50  # strangers cannot fill the log


async def test_one_address_does_not_take_the_room_of_the_others() -> None:
    async with running(connections_per_address=2) as broker:
        mine = [await shop(broker, f"{n}@b.c", local_addr=("127.0.0.2", 0)) for n in range(2)]
        third = await Wire.open(broker.port, local_addr=("127.0.0.2", 0))
        assert "2 connections from your address already" in await turned_away(third)
        other = await shop(broker, local_addr=("127.0.0.3", 0))
        await mine[0].close()
        await until(lambda: len(broker._connections) == 2)
        mine[0] = await shop(broker, "2@b.c", local_addr=("127.0.0.2", 0))
        for wire in (*mine, other):
            assert (await wire.ask("list_topics"))["topics"] == []
            await wire.close()
        await until(lambda: not broker._connections)
        assert broker._door._counts == {}


async def test_who_is_turned_away_under_tls_is_told_inside_it(certificates: Certificates) -> None:
    tls = {"tls_cert": certificates.cert, "tls_key": certificates.key}
    async with running(connections=1, **tls) as broker:
        first = await shop(broker, ssl=certificates.trusting())
        second = await Wire.open(broker.port, ssl=certificates.trusting())
        assert "no room" in await turned_away(second)
        plain = await Wire.open(broker.port)
        plain.send("ping")
        assert "takes TLS" in await turned_away(plain)
        assert (await first.ask("list_topics"))["topics"] == []
        await first.close()


async def test_a_flood_that_will_not_hear_costs_nothing_in_the_end(
    certificates: Certificates,
) -> None:
    tls = {"tls_cert": certificates.cert, "tls_key": certificates.key}
    async with running(connections=1, **tls) as broker:
        first = await shop(broker, ssl=certificates.trusting())
        flood = [await Wire.open(broker.port) for _ in range(300)]
        assert (await first.ask("list_topics"))["topics"] == []
        assert len(broker._connections) <= 1 + 100 + 1
        await until(lambda: len(broker._connections) == 1)
        for wire in flood:
            await wire.close()
        await first.close()


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("somebody", "somebody"),
    ],
)
def test_what_counts_as_one_address(address: str, counted: str) -> None:
    assert network(address) == counted


async def test_fewer_files_mean_less_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("broker.door._files", lambda: 65)
    async with running() as broker:
        first = await shop(broker)
        assert "more than 1 connections" in await turned_away(await Wire.open(broker.port))
        await first.close()
    assert "`ulimit -n`" in caplog.text


# strangers


async def test_who_does_not_sign_in_in_time_is_told_and_closed_and_nobody_else_is() -> None:
    async with running(sign_in_s=0.3) as broker:
        member = await shop(broker)
        silent, busy = await Wire.open(broker.port), await Wire.open(broker.port)
        busy.send_bytes(b"hello\n" * 3 + b"half a line")
        for _ in range(3):
            assert (await busy.read())["action"] == "error"
        for wire in (silent, busy):
            assert "have not signed in within 0.3 s" in await turned_away(wire)
        assert (await member.ask("list_topics"))["topics"] == []
        late = await Wire.open(broker.port)
        assert "have not signed in" in await turned_away(late)
        await member.close()


async def test_a_handshake_that_is_never_finished_ends_in_time(certificates: Certificates) -> None:
    tls = {"tls_cert": certificates.cert, "tls_key": certificates.key}
    async with running(sign_in_s=0.1, stop_wait_s=0.1, **tls) as broker:
        wire = await Wire.open(broker.port)
        wire.send_bytes(b"\x16\x03\x01")
        assert await wire.read_line() == b""
        await wire.close()
        await until(lambda: not broker._connections)


async def test_what_a_connection_has_unfinished_is_bounded_and_all_is_answered() -> None:
    store = MemoryStore()
    settings = Settings(store_url="memory", port=0, unfinished_bytes=10_000, stop_wait_s=0.2)
    async with Broker(settings, store) as broker:
        wire = await shop(broker)
        await wire.ask("create_topic", topic_name="T")
        store.hold()
        line = b'{"action":"publish_msg","topic_name":"T","msg":"%s"}\n' % (b"x" * 1_000)
        count = 4_000
        wire.send_bytes(line * count)
        await store.held.wait()
        (connection,) = broker._connections
        await until(lambda: not connection._reading)
        store.release()
        assert await wire.read_many(count) == [SUCCESS] * count
        await wire.close()


async def test_a_peer_that_is_gone_without_a_word_is_noticed() -> None:
    async with running(dead_peer_s=2) as broker:
        gone, there = await shop(broker, "gone@b.c"), await shop(broker)
        vanish(gone.writer.get_extra_info("socket"))
        gone.writer.transport.abort()
        await until(lambda: len(broker._connections) == 1)
        assert (await there.ask("list_topics"))["topics"] == []
        await there.close()


def vanish(one: Any) -> None:
    """Let a socket be gone without telling its peer, as when a machine loses its power."""
    with socket.fromfd(one.fileno(), socket.AF_INET, socket.SOCK_STREAM) as raw:
        try:
            raw.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except OSError as error:
            pytest.skip(f"only root can make a socket vanish: {error}")


async def test_the_sockets_that_listen_watch_their_peers() -> None:
    sockets = await bind("127.0.0.1", 0)
    watch_peers(sockets, 120)
    (one,) = sockets
    assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    idle = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    every = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
    probes = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
    assert idle + every * probes == 120
    close(sockets)


async def test_an_idle_connection_takes_little_memory() -> None:
    count = 300
    async with running() as broker:
        wires = [await shop(broker)]
        tracemalloc.start()
        before = tracemalloc.take_snapshot()
        for number in range(count):
            wires.append(await Wire.open(broker.port))
            email = f"{number}@b.c"
            await wires[-1].ask("create", user_email=email, user_type="subscriber")
        ours = [
            tracemalloc.Filter(True, str(Path(__file__).parents[2] / room / "*"))
            for room in ("broker", "protocol")
        ]
        after = tracemalloc.take_snapshot()
        tracemalloc.stop()
        grown = after.filter_traces(ours).compare_to(before.filter_traces(ours), "filename")
        assert sum(one.size_diff for one in grown) / count < 4_096
        for wire in wires:
            await wire.close()


# beyond this machine


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize(
    ("tls", "auth"), [(False, Auth.OPEN), (True, Auth.OPEN), (False, Auth.PASSWORD)]
)
async def test_a_broker_that_strangers_reach_takes_tls_and_passwords(
    certificates: Certificates, host: str, tls: bool, auth: Auth
) -> None:
    files: dict[str, Any] = {"tls_cert": certificates.cert, "tls_key": certificates.key}
    store = MemoryStore()
    settings = Settings(store_url="memory", host=host, port=0, auth=auth, **(files if tls else {}))
    with pytest.raises(TooOpen, match=r"--tls-cert FILE .* --auth password, .* --insecure"):
        await Broker(settings, store).start()
    assert not store.opened
    assert issubclass(TooOpen, CannotListen)


async def test_with_both_or_when_told_so_it_listens_to_everybody(
    certificates: Certificates,
) -> None:
    tls = {"tls_cert": certificates.cert, "tls_key": certificates.key}
    async with running(host="0.0.0.0", auth=Auth.PASSWORD, **tls) as broker:
        wire = await Wire.open(broker.port, ssl=certificates.trusting())
        assert "needs a password" in (await wire.ask("connect", user_email="a@b.c"))["message"]
        await wire.close()
    async with running(host="0.0.0.0", insecure=True) as broker:
        await (await shop(broker)).close()
        assert broker._door._per_address == 1_000


@pytest.mark.parametrize("host", ["localhost", "127.0.0.5"])
async def test_every_loopback_address_is_this_machine(host: str) -> None:
    async with running(host=host) as broker:
        assert broker._door._per_address == broker._door._room


async def test_a_stranger_is_forgotten_when_the_broker_stops() -> None:
    before = asyncio.all_tasks()
    async with running() as broker:
        wire = await Wire.open(broker.port)
        await until(lambda: len(broker._connections) == 1)
    assert "being stopped" in (await wire.read())["message"]
    await wire.close()
    assert broker._door._timer is not None
    assert broker._door._timer.cancelled()
    assert asyncio.all_tasks() == before
