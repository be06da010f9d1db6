"""Subscribers that are slow, silent or gone: others do not notice, and theirs is kept."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from broker import Broker, Settings
from tests.faults.proof import work_goes_on
from tests.faults.shop import Shop, good, wires
from tests.wire import Wire

FAST = 100
COUNT = 100
LARGE = 100  # messages that only the slow one gets, more than kernels take
HIGH_WATER = 64 * 1024
RECEIVE_BYTES = 4096
TCP_REPAIR = 19  # closes without a FIN (linux/tcp.h)
TEXT = "x" * 100_000


async def test_a_reader_of_a_byte_at_a_time_does_not_slow_a_hundred_fast_ones(
    database: str,
) -> None:
    settings = Settings(store_url=database, port=0, high_water_bytes=HIGH_WATER)
    async with (
        Broker(settings) as broker,
        Shop.on(broker.port) as shop,
        wires(broker.port, FAST) as fast,
    ):
        good(await shop.publisher.ask("create_topic", topic_name="LARGE"))
        async with slow_reader(broker.port, "T", "LARGE") as slow:
            await asyncio.gather(*[subscribe(one, f"fast{n}@b.c") for n, one in enumerate(fast)])
            large = [f"{number} {TEXT}" for number in range(LARGE)]
            for number, text in enumerate(large, 1):
                shop.publisher.send("publish_msg", topic_name="LARGE", msg=text, id=number)
            for answer in await shop.publisher.read_many(LARGE):
                good(answer)
            (behind,) = [one for one in broker.snapshot().sessions if one.slow]
            assert behind.queued_bytes < HIGH_WATER + settings.block_bytes
            shop.skip_ids(LARGE)
            began = b""
            for number in range(COUNT):
                good(await shop.publish(str(number)))
                began += await slow.take(1)
            for one in fast:
                assert [line["message"] for line in await one.read_many(COUNT)] == shop.stored
            texts = await slow.rest(began, COUNT + LARGE)
        assert [text for text in texts if len(text) < 10] == shop.stored
        assert [text for text in texts if len(text) > 10] == large
        await shop.check()
        await work_goes_on(broker.port)


async def subscribe(wire: Wire, email: str) -> None:
    good(await wire.ask("create", user_email=email, user_type="subscriber"))
    good(await wire.ask("subscribe", topic_name="T"))


class SlowReader:
    """A version 1 subscriber that takes a byte when it is told to."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    async def take(self, count: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._raw, count)

    async def rest(self, began: bytes, count: int) -> list[str]:
        """Hurry, and return the texts of `count` messages, the first of which is at `began`."""
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        got = began
        while got.count(b"\n") < count:
            got += await self.take(2**20)
        return [json.loads(line)["message"] for line in got.splitlines()]


@asynccontextmanager
async def slow_reader(port: int, *topics: str) -> AsyncIterator[SlowReader]:
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", port))
        reader = SlowReader(raw)
        account = {"action": "create", "user_email": "slow@b.c", "user_type": "subscriber"}
        subscribes = [{"action": "subscribe", "topic_name": topic} for topic in topics]
        for request in (account, *subscribes):
            await loop.sock_sendall(raw, json.dumps(request).encode() + b"\n")
            assert b"success" in await reader.take(1000)
        yield reader


async def test_who_never_acknowledges_gets_all_of_it_again_and_holds_nobody_up(
    database: str,
) -> None:
    async with Broker(Settings(store_url=database, port=0)) as broker, Shop.on(broker.port) as shop:
        for visit in range(3):
            good(await shop.publish(f"visit {visit}"))
            await shop.check()
            await shop.subscriber.close()
            shop.subscriber = await Wire.open(broker.port)
            answer = await shop.subscriber.ask("connect", user_email="s@b.c", version=2)
            (state,) = good(answer)["subscriptions"]
            assert (state["cursor"], state["unread"]) == (0, visit + 1)
            shop.begin_again()
            await shop.check()
        await work_goes_on(broker.port)


async def test_a_cable_that_is_cut_without_a_word_costs_its_subscriber_nothing(
    database: str,
) -> None:
    async with Broker(Settings(store_url=database, port=0)) as broker, Shop.on(broker.port) as shop:
        good(await shop.publish("before"))
        await shop.check()
        vanish(shop.subscriber)
        for number in range(10):
            good(await shop.publish(f"into the dark {number}"))
        shop.subscriber = await Wire.open(broker.port)
        answer = await shop.subscriber.ask("connect", user_email="s@b.c", version=2)
        assert good(answer)["subscriptions"][0]["unread"] == 11
        shop.begin_again()
        await shop.check()
        await work_goes_on(broker.port)


def vanish(wire: Wire) -> None:
    """Let the client's machine be gone: no FIN, no RST, and nobody answers any more."""
    sock: Any = wire.writer.get_extra_info("socket")
    try:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except OSError:
        pytest.skip("only root may close a connection without a FIN")
    wire.writer.transport.abort()


async def test_an_answer_that_is_lost_on_its_way_is_given_again_to_a_producer(
    database: str,
) -> None:
    async with Broker(Settings(store_url=database, port=0)) as broker, Shop.on(broker.port) as shop:
        for number in range(1, 6):
            shop.send(f"number {number}")
            shop.stored.append(f"number {number}")
            await shop.subscriber_has(number)  # so it is stored, and its answer on the way
            assert await shop.sign_in_again() == number
            repeated = {"topic_name": "T", "msg": f"number {number}", "id": number}
            answer = await shop.publisher.ask("publish_msg", **repeated)
            assert (answer["action"], answer.get("duplicate")) == ("success", True)
        await shop.check()
        await work_goes_on(broker.port)
