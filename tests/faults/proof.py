"""The proof with which each test of a fault ends: work goes on."""

import asyncio
from itertools import count

from clients import NoBroker, Publisher, RequestRefused, Subscriber
from clients.backoff import Backoff

AT_ONCE = Backoff(first_s=0.01, longest_s=0.1)
LIMIT_S = 15

_numbers = count(1)


async def work_goes_on(port: int) -> None:
    """Return once a message was stored and delivered by the broker on `port`.

    Nothing is asked of anybody: who was refused or did not reach the broker tries again.

    Raises:
        TimeoutError: not within a quarter of a minute.
    """
    text = f"proof {next(_numbers)}"
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                await _published_and_delivered(f"127.0.0.1:{port}", text)
                return
            except (NoBroker, RequestRefused):
                await asyncio.sleep(0.02)


async def _published_and_delivered(broker: str, text: str) -> None:
    async with (
        Publisher(broker, "proof@b.c", create=True, backoff=AT_ONCE) as publisher,
        Subscriber(broker, "witness@b.c", create=True, backoff=AT_ONCE) as subscriber,
    ):
        await publisher.create_topic("PROOF", exist_ok=True)
        await subscriber.subscribe("PROOF")
        await publisher.publish("PROOF", text)
        async for message in subscriber:
            if message.text == text:
                return
