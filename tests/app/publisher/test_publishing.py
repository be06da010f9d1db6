"""Accepting messages and following what becomes of them."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from app.publisher import publishing as module
from app.publisher.publishing import NotSent, Publishing
from app.publisher.recall import Recall
from app.publisher.sent import Mark
from app.screens.memory import Memory
from broker import Broker
from clients import Publisher, SessionEnded, Subscriber
from clients.outbox import Batch, Publication
from clients.values import Confirmations
from tests.app.publisher.conftest import StandingClock


class Holding:
    """A client that answers nothing by itself."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.ended = False

    @property
    def waiting(self) -> int:
        return sum(not batch.first_seq.done() for batch in self.batches)

    def send_soon(self, topic: str, text: str) -> Publication:
        if self.ended:
            raise SessionEnded("taken over")
        self.batches.append(Batch(len(self.batches), topic))
        return Publication(self.batches[-1], 0)


def publishing(client: Publisher | Holding, folder: Path, clock: StandingClock) -> Publishing:
    recall = Recall(Memory(folder / "screens.json"), "ada@example.com")
    return Publishing(cast(Publisher, client), recall, clock)


async def test_only_what_was_sent_before_the_reconnect_is_marked_as_resent(
    tmp_path: Path, clock: StandingClock
) -> None:
    client = Holding()
    one = publishing(client, tmp_path, clock)
    rows = [one.publish("T", "sent before"), one.publish("T", "waited for the connection")]
    client.batches[0].sendings, client.batches[1].sendings = 2, 1
    one.reconnected()
    assert [row.mark for row in rows] == [Mark.RESENDING, Mark.WAITING]
    for batch in client.batches:
        batch.first_seq.set_result(None)  # stored before, and the broker does not say where
    clock.time += 2
    await one.drain()
    assert [(row.mark, row.seq, row.took_s) for row in rows] == [(Mark.STORED, None, 2.0)] * 2
    assert (one.unsent, one.sent.stored) == (0, 2)


async def test_so_many_wait_at_most_and_then_the_text_stays_where_it_is(
    tmp_path: Path, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    client = Holding()
    one = publishing(client, tmp_path, clock)
    one.publish("T", "a")
    one.publish("T", "b")
    with pytest.raises(NotSent, match="2 messages wait"):
        one.publish("T", "c")
    assert len(one.sent.rows) == 2
    await one.stop()


async def test_when_the_session_ends_it_is_not_known_what_became_of_what_waits(
    tmp_path: Path, clock: StandingClock
) -> None:
    client = Holding()
    one = publishing(client, tmp_path, clock)
    row = one.publish("T", "a")
    client.ended = True
    client.batches[0].first_seq.set_exception(SessionEnded("taken over"))
    await one.drain()
    assert (row.mark, row.why) == (Mark.FAILED, "it is not known whether it is stored: taken over")
    with pytest.raises(NotSent, match=r"taken over. Ctrl\+T signs in again"):
        one.publish("T", "b")


async def test_of_many_messages_few_are_asked_about(
    broker: Broker, tmp_path: Path, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{broker.port}"
    async with (
        Publisher(address, "ada@example.com", create=True) as client,
        Subscriber(address, "eve@example.com", create=True, auto_confirm=False) as eve,
    ):
        await client.create_topic("T")
        await eve.subscribe("T")
        one = publishing(client, tmp_path, clock)
        rows = [one.publish("T", str(number)) for number in range(100)]
        await one.drain()
        await asyncio.wait_for(_confirm(eve, 70), 10)
        asked: list[int] = []
        ask = client.confirmations

        async def counted(topic: str, seq: int) -> Confirmations:
            asked.append(seq)
            return await ask(topic, seq)

        monkeypatch.setattr(client, "confirmations", counted)
        for _ in range(3):
            clock.time += 30
            await one.ask_for_confirmations()
        assert [row.mark for row in rows] == [Mark.CONFIRMED] * 70 + [Mark.STORED] * 30
        assert len(asked) <= 20
        await asyncio.wait_for(_confirm(eve, 100), 10)
        await one.topics()  # tells it at once
        assert {row.mark for row in rows} == {Mark.CONFIRMED}


async def _confirm(subscriber: Subscriber, seq: int) -> None:
    """Confirm up to `seq`; return when the broker knows it."""
    async for one in subscriber:
        if one.seq == seq:
            subscriber.confirm("T", seq)
            await subscriber.confirmations("T", seq)  # its answer comes after
            return
