"""What a subscriber learns of messages, topics and accounts that are gone."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from broker import Broker, Settings
from broker.retention import Retention
from clients import (
    AccountNotFound,
    Gap,
    Phase,
    Publisher,
    RequestRefused,
    SessionEnded,
    Subscriber,
    TopicNotFound,
)
from tests.clients.conftest import AT_ONCE
from tests.doubles.fake_broker import FakeBroker, Peer

Make = Callable[..., Any]


class Told:
    """All that a subscriber hands out or tells, in the order in which it does."""

    def __init__(self) -> None:
        self.order: list[object] = []

    async def take(self, subscriber: Subscriber, count: int) -> list[object]:
        for _ in range(count):
            self.order.append((await anext(subscriber)).seq)
        return self.order


async def opened(
    subscriber: Subscriber, fake: FakeBroker, *subscriptions: tuple[str, int, int]
) -> Peer:
    signing_in = fake.signed_in(user_type="subscriber", subscriptions=subscriptions)
    peer, _ = await asyncio.gather(signing_in, subscriber.open())
    return peer


def to(fake: FakeBroker, **options: Any) -> Subscriber:
    return Subscriber(fake.address, "s@b.c", **({"backoff": AT_ONCE} | options))


def gap(peer: Peer, first: int, last: int, topic: str = "T") -> None:
    peer.say("gap", topic_name=topic, seq=first, last_seq=last)


async def acked(peer: Peer) -> int:
    request = await peer.read()
    assert request["action"] == "ack"
    seq = request["seq"]
    assert isinstance(seq, int)
    return seq


async def take_out(broker: Broker) -> None:
    """Let all messages be too old."""
    hub = broker._hub
    settings = Settings(store_url="postgresql:///", retain_for_s=0.0)
    await Retention(settings, hub.store, hub.log, hub.topics).take_out()


# gaps


async def test_a_gap_is_told_between_the_messages_around_it(fake: FakeBroker) -> None:
    told = Told()
    subscriber = to(fake, on_gap=told.order.append)
    peer = await opened(subscriber, fake, ("T", 0, 0))
    peer.deliver("T", 1, ["a"])
    gap(peer, 2, 7)
    peer.deliver("T", 8, ["h"])
    assert await told.take(subscriber, 2) == [1, Gap("T", 2, 7), 8]
    await subscriber.close()


async def test_a_gap_counts_as_confirmed_once_it_is_told(fake: FakeBroker) -> None:
    told = Told()
    subscriber = to(fake, on_gap=told.order.append, auto_confirm=False)
    peer = await opened(subscriber, fake, ("T", 0, 7))
    gap(peer, 1, 7)
    taking = asyncio.ensure_future(anext(subscriber))
    assert await acked(peer) == 7
    assert told.order == [Gap("T", 1, 7)]
    peer.deliver("T", 8, ["h"])
    assert (await taking).seq == 8
    await subscriber.close()


async def test_what_came_before_a_lost_connection_is_no_gap(fake: FakeBroker) -> None:
    told = Told()
    subscriber = to(fake, on_gap=told.order.append)
    peer = await opened(subscriber, fake, ("T", 0, 0))
    peer.deliver("T", 1, ["a", "b", "c"])
    assert await told.take(subscriber, 1) == [1]
    peer.cut()
    again = await fake.signed_in(user_type="subscriber", subscriptions=[("T", 0, 5)])
    gap(again, 1, 5)
    again.deliver("T", 6, ["f"])
    assert await told.take(subscriber, 3) == [1, 2, 3, Gap("T", 4, 5), 6]
    again.cut()
    last = await fake.signed_in(user_type="subscriber", subscriptions=[("T", 0, 6)])
    gap(last, 1, 5)
    last.deliver("T", 6, ["f"])
    last.deliver("T", 7, ["g"])
    assert (await told.take(subscriber, 1))[-1] == 7
    assert told.order.count(Gap("T", 4, 5)) == 1
    await subscriber.close()


async def test_without_a_program_that_listens_a_warning_is_logged(
    fake: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 7))
    gap(peer, 1, 7)
    peer.say("topic_deleted", topic_name="U\x1b[2J")
    peer.deliver("T", 8, ["h"])
    with caplog.at_level(logging.WARNING, "pubsub.clients"):
        await anext(subscriber)
    warned = [one.getMessage() for one in caplog.records if one.name == "pubsub.clients"]
    assert sorted(warned) == [
        "messages 1 to 7 of 'T' are gone: the broker no longer keeps them",
        r"the topic 'U\x1b[2J' was deleted, and the subscription to it with it",
    ]
    await subscriber.close()


async def test_what_a_listener_raises_is_the_loops_and_changes_nothing(fake: FakeBroker) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    def fail(gap: Gap) -> None:
        raise ValueError("no")

    subscriber = to(fake, on_gap=fail)
    peer = await opened(subscriber, fake, ("T", 0, 7))
    gap(peer, 1, 7)
    peer.deliver("T", 8, ["h"])
    assert (await anext(subscriber)).seq == 8
    assert [fault["message"] for fault in faults] == ["on_gap raised"]
    await subscriber.close()


async def test_a_subscriber_that_was_away_too_long_is_told_by_a_real_broker(
    broker: Broker, publishing: Make, subscribing: Make
) -> None:
    told = Told()
    async with publishing() as publisher:
        await publisher.create_topic("T")
        async with subscribing() as subscriber:
            await subscriber.subscribe("T")
        await publisher.publish_many("T", ["a", "b"])
        await take_out(broker)
        await publisher.publish("T", "c")
        async with subscribing(on_gap=told.order.append) as subscriber:
            assert subscriber.backlog == {"T": range(3, 4)}
            assert await told.take(subscriber, 1) == [Gap("T", 1, 2), 3]
        async with subscribing(on_gap=told.order.append) as subscriber:
            assert [one.unread for one in await subscriber.subscriptions()] == [0]


# topics


async def test_a_deleted_topic_is_told_and_nothing_more_of_it_is_handed_out(
    publishing: Make, subscribing: Make
) -> None:
    deleted: list[str] = []
    async with (
        publishing() as publisher,
        subscribing(on_topic_deleted=deleted.append) as subscriber,
    ):
        for topic in ("T", "U"):
            await publisher.create_topic(topic)
            await subscriber.subscribe(topic)
        await publisher.publish("T", "a")
        await publisher.delete_topic("T")
        await publisher.publish("U", "b")
        assert (await anext(subscriber)).topic == "U"
        assert deleted == ["T"]
        with pytest.raises(TopicNotFound):
            await publisher.publish("T", "c")
        with pytest.raises(TopicNotFound):
            await publisher.delete_topic("T")
        await publisher.create_topic("T")
        await subscriber.subscribe("T")
        await publisher.publish("T", "d")
        message = await anext(subscriber)
        assert (message.topic, message.seq, message.text) == ("T", 1, "d")


async def test_another_ones_topic_is_not_deleted(publishing: Make) -> None:
    async with publishing() as publisher, publishing("other@b.c") as other:
        await publisher.create_topic("T")
        with pytest.raises(RequestRefused) as refused:
            await other.delete_topic("T")
        assert refused.value.reason == "not_yours"


async def test_a_deletion_whose_answer_was_lost_is_done(fake: FakeBroker) -> None:
    publisher = Publisher(fake.address, "p@b.c", backoff=AT_ONCE)
    peer, _ = await asyncio.gather(fake.signed_in(last_id=0), publisher.open())
    deleting = asyncio.ensure_future(publisher.delete_topic("T"))
    await peer.read()
    peer.cut()
    again = await fake.signed_in(last_id=0)
    again.refuse(await again.read(), "topic_not_found")
    await deleting
    await publisher.close()


# accounts


async def test_a_deleted_account_closes_its_client_and_lets_nobody_in(
    publishing: Make, subscribing: Make
) -> None:
    async with subscribing() as subscriber:
        await subscriber.delete_account()
        assert subscriber.state.phase is Phase.CLOSED
        with pytest.raises(SessionEnded, match="the account has been deleted"):
            await subscriber.subscriptions()
    with pytest.raises(AccountNotFound):
        await subscribing(create=False).open()
    async with publishing("s@b.c") as publisher:  # the e-mail is free, for either role
        await publisher.create_topic("T")
        await publisher.publish("T", "a")
        await publisher.delete_account()


async def test_the_accounts_other_clients_end_and_do_not_come_back(publishing: Make) -> None:
    async with publishing() as first:
        second = publishing()
        await second.open()
        await first.delete_account()
        with pytest.raises(SessionEnded, match="deleted by another of its sessions"):
            await second.topics()
        assert second.state.phase is Phase.CLOSED
        await second.close()


@pytest.mark.parametrize("reason", ["account_not_found", "wrong_password"])
async def test_an_account_whose_deletion_had_no_answer_is_gone(
    fake: FakeBroker, reason: str
) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake)
    deleting = asyncio.ensure_future(subscriber.delete_account())
    await peer.read()
    peer.cut()
    again = await fake.accept()
    again.refuse(await again.read(), reason)
    await deleting
    assert subscriber.state.phase in (Phase.CLOSED, Phase.REFUSED)
