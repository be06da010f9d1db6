"""A server that lags, or led once, makes no gap where there is none."""

from dataclasses import replace

import pytest

from broker.store.errors import StoreLost
from broker.store.interface import Account, TopicRecord
from broker.store.jetstream.streams import Message, Streams, StreamState
from tests.broker.store.jetstream.conftest import PLENTY, Side, block
from tests.nats import needs_nats

pytestmark = needs_nats


@pytest.mark.parametrize("place", range(8))
async def test_what_a_server_does_not_have_yet_is_not_taken_for_gone(
    one: Side, orders: TopicRecord, shop: Account, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in "abcdef":
        await one.put(block(orders, shop, text))
    await one.take_out(orders.id, 1)
    get_near = Streams.get_near
    asked: list[int] = []

    async def lagging(self: Streams, name: str, sequence: int) -> Message | None:
        asked.append(sequence)
        return None if len(asked) == place + 1 else await get_near(self, name, sequence)

    monkeypatch.setattr(Streams, "get_near", lagging)
    try:
        found = await one.read(orders.id, 3, PLENTY)
    except StoreLost:
        found = await one.read(orders.id, 3, PLENTY)
    seqs = [stored.first_seq for stored in found]
    assert seqs == [3, 4, 5, 6][: len(seqs)] != []


async def test_a_stream_that_ends_too_early_is_not_believed(
    one: Side, orders: TopicRecord, shop: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in "abc":
        await one.put(block(orders, shop, text))
    look = Streams.look

    async def of_one_who_led(
        self: Streams, name: str, subjects: str | None = None
    ) -> StreamState | None:
        state = await look(self, name, subjects)
        return None if state is None else replace(state, last=state.last - 1)

    monkeypatch.setattr(Streams, "look", of_one_who_led)
    assert await one.read(orders.id, 3, PLENTY) == []
    for seq in (1, 3):
        with pytest.raises(StoreLost):
            await one.read(orders.id, seq, PLENTY, head=3)


async def test_a_stream_that_one_does_not_know_is_not_taken_for_deleted(
    one: Side, orders: TopicRecord, shop: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one.put(block(orders, shop, "a"))

    async def nothing(self: Streams, name: str, subjects: str | None = None) -> None:
        return None

    monkeypatch.setattr(Streams, "look", nothing)
    with pytest.raises(StoreLost):
        await one.read(orders.id, 1, PLENTY, head=1)


async def test_what_is_gone_is_passed_over(one: Side, orders: TopicRecord, shop: Account) -> None:
    for text in "abc":
        await one.put(block(orders, shop, text))
    assert await one.take_out(orders.id, 2) == 2
    assert [stored.first_seq for stored in await one.read(orders.id, 1, PLENTY)] == [3]
