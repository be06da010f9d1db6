"""The subscriber: each message once, in order, and confirmed when the program says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from clients import (
    Message,
    Phase,
    Publisher,
    RequestRefused,
    SessionEnded,
    Subscriber,
    TopicNotFound,
)
from protocol.reasons import Reason
from tests.clients.conftest import AT_ONCE
from tests.clients.watch import Watch
from tests.doubles.fake_broker import FakeBroker, Peer

Make = Callable[..., Subscriber]


@pytest.fixture
async def publisher(publishing: Callable[..., Publisher]) -> AsyncIterator[Publisher]:
    """A publisher of a real broker that has the topics T and U."""
    async with publishing() as one:
        await one.create_topic("T")
        await one.create_topic("U")
        yield one


@pytest.fixture
async def subscriber(publisher: Publisher, subscribing: Make) -> AsyncIterator[Subscriber]:
    """A subscriber to T of the same broker."""
    async with subscribing() as one:
        await one.subscribe("T")
        yield one


async def take(subscriber: Subscriber, count: int) -> list[Message]:
    return [await anext(subscriber) for _ in range(count)]


async def seqs(subscriber: Subscriber, count: int) -> list[int]:
    return [message.seq for message in await take(subscriber, count)]


async def cursor(subscriber: Subscriber, topic: str = "T") -> int:
    (found,) = [one for one in await subscriber.subscriptions() if one.topic_name == topic]
    return found.cursor


def to(fake: FakeBroker, **options: Any) -> Subscriber:
    return Subscriber(fake.address, "s@b.c", **({"backoff": AT_ONCE} | options))


async def signed_in(fake: FakeBroker, *subscriptions: tuple[str, int, int]) -> Peer:
    return await fake.signed_in(user_type="subscriber", subscriptions=subscriptions)


async def opened(
    subscriber: Subscriber, fake: FakeBroker, *subscriptions: tuple[str, int, int]
) -> Peer:
    peer, _ = await asyncio.gather(signed_in(fake, *subscriptions), subscriber.open())
    return peer


async def acked(peer: Peer) -> tuple[str, int]:
    """Return the next request, which has to be an ack: of what."""
    request = await peer.read()
    assert request["action"] == "ack"
    return request["topic_name"], request["seq"]


async def answer_ping(peer: Peer) -> None:
    request = await peer.read()
    assert request["action"] == "ping"
    peer.succeed(request)


# a real broker


async def test_messages_come_in_order_with_all_that_is_known_of_them(
    publisher: Publisher, subscriber: Subscriber
) -> None:
    await publisher.publish_many("T", ["a", "b"])
    first, second = await take(subscriber, 2)
    assert (first.topic, first.seq, first.text, first.publisher) == ("T", 1, "a", "p@b.c")
    assert (second.seq, second.text, second.unread) == (2, "b", False)
    assert second.published_at >= first.published_at
    assert first.published_at.tzinfo is not None


async def test_messages_of_several_publishers_name_each(
    publishing: Callable[..., Publisher], publisher: Publisher, subscriber: Subscriber
) -> None:
    async with publishing("q@b.c") as other:
        for number in range(50):
            publisher.send_soon("T", f"p {number}")
            other.send_soon("T", f"q {number}")
            await asyncio.sleep(0)
    for message in await take(subscriber, 100):
        assert message.publisher == f"{message.text[0]}@b.c"


async def test_what_is_asked_for_is_confirmed_when_the_next_is(
    publisher: Publisher, subscriber: Subscriber
) -> None:
    await publisher.publish_many("T", ["a", "b", "c"])
    for expected in (0, 1, 2):
        await anext(subscriber)
        assert await cursor(subscriber) == expected


async def test_waiting_for_the_next_confirms_the_last(
    publisher: Publisher, subscriber: Subscriber
) -> None:
    await publisher.publish("T", "a")
    await anext(subscriber)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(subscriber), 0.01)
    assert await cursor(subscriber) == 1


async def test_leaving_the_block_confirms_the_last_and_an_error_does_not(
    publisher: Publisher, subscribing: Make
) -> None:
    async with subscribing() as subscriber:
        await subscriber.subscribe("T")
        await publisher.publish_many("T", ["a", "b"])
        assert await seqs(subscriber, 1) == [1]
    with pytest.raises(ZeroDivisionError):
        async with subscribing() as subscriber:
            assert await seqs(subscriber, 1) == [2]
            raise ZeroDivisionError
    async with subscribing() as subscriber:
        (message,) = await take(subscriber, 1)
        assert (message.seq, message.unread) == (2, True)


async def test_a_loop_that_is_left_confirms_what_it_was_given(
    publisher: Publisher, subscribing: Make
) -> None:
    async with subscribing() as subscriber:
        await subscriber.subscribe("T")
        await publisher.publish_many("T", map(str, range(100)))
        async for message in subscriber:
            if message.seq == 70:
                break
    async with subscribing() as subscriber:
        assert await cursor(subscriber) == 70
        assert await seqs(subscriber, 30) == [*range(71, 101)]


async def test_blocks_come_whole_and_are_confirmed_when_the_next_is_asked_for(
    publisher: Publisher, subscribing: Make
) -> None:
    async with subscribing() as subscriber:
        await subscriber.subscribe("T")
        await publisher.publish_many("T", map(str, range(100)))
        taken = 0
        async for block in subscriber.blocks():
            assert await cursor(subscriber) == taken
            assert [message.seq for message in block] == [*range(taken + 1, taken + len(block) + 1)]
            taken += len(block)
            if taken == 100:
                break
    async with subscribing() as subscriber:
        assert await cursor(subscriber) == 100


async def test_messages_and_blocks_may_be_mixed(
    publisher: Publisher, subscriber: Subscriber
) -> None:
    await publisher.publish_together("T", ["a", "b", "c"])
    assert await seqs(subscriber, 1) == [1]
    assert [one.seq for one in await anext(subscriber.blocks())] == [2, 3]
    await publisher.publish_together("T", ["d", "e"])
    assert await seqs(subscriber, 1) == [4]
    assert [one.seq for one in await anext(subscriber.blocks())] == [5]


async def test_without_auto_confirm_only_confirm_confirms(
    publisher: Publisher, subscribing: Make
) -> None:
    async with subscribing(auto_confirm=False) as subscriber:
        await subscriber.subscribe("T")
        await publisher.publish_many("T", ["a", "b", "c"])
        assert await seqs(subscriber, 3) == [1, 2, 3]
        assert await cursor(subscriber) == 0
        subscriber.confirm("T", 2)
        subscriber.confirm("T", 1)  # late, and harmless
        subscriber.confirm("nowhere", 7)
        assert await cursor(subscriber) == 2
    async with subscribing() as subscriber:
        assert await cursor(subscriber) == 2
        assert await seqs(subscriber, 1) == [3]


async def test_confirmations_are_seen_by_the_publisher(
    publisher: Publisher, subscriber: Subscriber
) -> None:
    await publisher.publish_many("T", ["a", "b"])
    await take(subscriber, 2)
    assert await cursor(subscriber) == 1
    counts = [await publisher.confirmations("T", seq) for seq in (1, 2)]
    assert [(one.confirmed, one.subscriptions) for one in counts] == [(1, 1), (0, 1)]


async def test_from_says_where_a_subscription_begins(
    publisher: Publisher, subscribing: Make
) -> None:
    await publisher.publish_many("T", map(str, range(10)))
    async with subscribing() as subscriber:
        await subscriber.subscribe("T", 8)
        assert await seqs(subscriber, 3) == [8, 9, 10]
        await subscriber.subscribe("T", "all")
        assert await seqs(subscriber, 10) == [*range(1, 11)]
        await subscriber.subscribe("T")  # stays where it is
        await subscriber.subscribe("T", "new")
        await publisher.publish("T", "eleven")
        assert await seqs(subscriber, 1) == [11]


async def test_putting_it_back_under_way_brings_everything_again_and_confirms_none_of_it(
    publisher: Publisher, subscribing: Make
) -> None:
    await publisher.publish_many("T", map(str, range(20_000)))
    async with subscribing() as subscriber:
        await subscriber.subscribe("T", "all")
        taken = await seqs(subscriber, 5_000)
        for _ in range(20):
            await subscriber.subscribe("T", "all")
            assert await cursor(subscriber) == 0
            taken = await seqs(subscriber, 500)
            assert taken == [*range(1, 501)]
        assert await cursor(subscriber) == 499
        assert await seqs(subscriber, 19_500) == [*range(501, 20_001)]


async def test_unsubscribing_ends_it_at_once_also_in_the_middle_of_a_block(
    publisher: Publisher, subscriber: Subscriber
) -> None:
    await subscriber.subscribe("U")
    await publisher.publish_together("T", ["a", "b", "c"])
    assert await seqs(subscriber, 1) == [1]
    await publisher.publish("U", "x")
    await subscriber.unsubscribe("T")
    (message,) = await take(subscriber, 1)
    assert message.topic == "U"
    assert [one.topic_name for one in await subscriber.subscriptions()] == ["U"]
    with pytest.raises(RequestRefused) as raised:
        await subscriber.unsubscribe("T")
    assert raised.value.reason == Reason.NOT_SUBSCRIBED


async def test_unsubscribing_and_subscribing_again_begins_with_what_is_new(
    publisher: Publisher, subscriber: Subscriber
) -> None:
    await publisher.publish_many("T", ["a", "b"])
    assert await seqs(subscriber, 1) == [1]
    await asyncio.gather(subscriber.unsubscribe("T"), subscriber.subscribe("T"))
    await publisher.publish("T", "c")
    assert await seqs(subscriber, 1) == [3]
    await subscriber.unsubscribe("T")
    await subscriber.subscribe("T", "all")
    assert await seqs(subscriber, 3) == [1, 2, 3]


async def test_what_cannot_be_is_told(subscriber: Subscriber) -> None:
    with pytest.raises(TopicNotFound):
        await subscriber.subscribe("nowhere")
    with pytest.raises(TopicNotFound):
        await subscriber.unsubscribe("nowhere")
    wrong: list[Any] = [0, -1, "later", 2.5, 2**70]
    for place in wrong:
        with pytest.raises(RequestRefused) as raised:
            await subscriber.subscribe("T", place)
        assert raised.value.reason == Reason.BAD_REQUEST
    no_text: Any = b"T"
    with pytest.raises(TypeError):
        await subscriber.subscribe(no_text)
    with pytest.raises(UnicodeEncodeError):
        await subscriber.subscribe("\ud800")


async def test_a_newer_session_ends_the_older(subscribing: Make, publisher: Publisher) -> None:
    async with subscribing() as older:
        await older.subscribe("T")
        waiting = asyncio.create_task(anext(older))
        await asyncio.sleep(0)
        async with subscribing() as newer:
            await publisher.publish("T", "a")
            assert await seqs(newer, 1) == [1]
            with pytest.raises(SessionEnded, match="taken over"):
                await waiting
            await older.close()


async def test_a_slow_program_gets_everything(publisher: Publisher, subscribing: Make) -> None:
    async with subscribing(ahead_bytes=1) as subscriber:
        await subscriber.subscribe("T")
        await publisher.publish_many("T", ["x" * 1_000] * 5_000)
        assert await seqs(subscriber, 5_000) == [*range(1, 5_001)]


# a scripted one


async def test_each_message_comes_once_through_lost_connections(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 3))
    peer.deliver("T", 1, ["1", "2", "3"])
    assert await seqs(subscriber, 2) == [1, 2]
    peer.cut()
    peer = await signed_in(fake, ("T", 0, 4))  # the ack of 1 was lost
    peer.deliver("T", 1, ["1", "2"])
    peer.deliver("T", 3, ["3", "4"])
    assert await seqs(subscriber, 2) == [3, 4]
    assert await acked(peer) in (("T", 1), ("T", 2), ("T", 3))
    await subscriber.close()


async def test_what_is_processed_is_acknowledged_only_when_it_has_come_again(
    fake: FakeBroker,
) -> None:
    watch = Watch()
    subscriber = to(fake, on_state=watch)
    peer = await opened(subscriber, fake, ("T", 0, 2))
    peer.deliver("T", 1, ["1", "2"])
    await take(subscriber, 2)
    assert await acked(peer) == ("T", 1)
    peer.cut()
    await watch.next(Phase.RECONNECTING)
    waiting = asyncio.create_task(anext(subscriber))  # which confirms 2
    peer = await signed_in(fake, ("T", 0, 2))
    topics = asyncio.create_task(subscriber.topics())
    request = await peer.read()
    assert request["action"] == "list_topics"  # and nothing that the broker would refuse
    peer.deliver("T", 1, ["1", "2"])
    peer.say("list_topics", id=request["id"], topics=[], details=[])
    await topics
    assert await acked(peer) == ("T", 2)
    peer.deliver("T", 3, ["3"])
    assert (await waiting).seq == 3
    await subscriber.close()


async def test_leaving_the_block_makes_sure_that_the_broker_knows(fake: FakeBroker) -> None:
    async def program() -> None:
        async with to(fake) as subscriber:
            await take(subscriber, 2)

    running = asyncio.create_task(program())
    peer = await signed_in(fake, ("T", 0, 2))
    peer.deliver("T", 1, ["1", "2"])
    while (await acked(peer)) != ("T", 2):
        pass
    assert (await peer.read())["action"] == "ping"
    peer.cut()  # it may have heard of it, or not
    peer = await signed_in(fake, ("T", 0, 2))
    await answer_ping(peer)
    peer.deliver("T", 1, ["1", "2"])
    while (request := await peer.read())["action"] == "ping":
        peer.succeed(request)
    assert (request["action"], request["seq"]) == ("ack", 2)
    assert not running.done()
    await answer_ping(peer)
    await running


async def test_a_block_of_which_the_end_is_new_is_handed_from_there(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 3))
    peer.deliver("T", 1, ["1", "2", "3"])
    assert await seqs(subscriber, 3) == [1, 2, 3]
    peer.cut()
    peer = await signed_in(fake, ("T", 0, 5))
    peer.deliver("T", 2, ["2", "3", "4", "5"], publishers=["b@b.c", "c@b.c", "d@b.c", "e@b.c"])
    messages = await take(subscriber, 2)
    assert [(one.seq, one.text, one.publisher) for one in messages] == [
        (4, "4", "d@b.c"),
        (5, "5", "e@b.c"),
    ]
    await subscriber.close()


async def test_a_log_made_anew_is_taken_from_its_start(fake: FakeBroker) -> None:
    watch = Watch()
    subscriber = to(fake, on_state=watch)
    peer = await opened(subscriber, fake, ("T", 100, 103))
    peer.deliver("T", 101, ["old 101", "old 102"])
    peer.deliver("T", 103, ["old 103"])
    assert await seqs(subscriber, 1) == [101]
    await subscriber_has(subscriber, blocks=1)
    peer.cut()
    await watch.next(Phase.RECONNECTING)
    peer = await signed_in(fake, ("T", 0, 2))
    await watch.next(Phase.LIVE)
    peer.deliver("T", 1, ["new 1", "new 2"])
    messages = await take(subscriber, 2)
    assert [one.text for one in messages] == ["new 1", "new 2"]
    assert await acked(peer) == ("T", 1)
    await subscriber.close()


async def subscriber_has(subscriber: Subscriber, *, blocks: int) -> None:
    """Wait until so many blocks wait to be taken."""
    while len(subscriber._queue) < blocks:  # noqa: ASYNC110  # there is no event for that
        await asyncio.sleep(0)


async def test_a_subscription_that_ended_elsewhere_hands_out_nothing_more(
    fake: FakeBroker,
) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 2), ("U", 0, 0))
    peer.deliver("T", 1, ["1", "2"])
    assert await seqs(subscriber, 1) == [1]
    peer.cut()
    peer = await signed_in(fake, ("U", 0, 1))
    peer.deliver("U", 1, ["u"])
    await subscriber_has(subscriber, blocks=1)
    (message,) = await take(subscriber, 1)
    assert message.topic == "U"
    await subscriber.close()


async def test_no_ack_of_the_old_place_is_sent_while_the_subscription_is_put_elsewhere(
    fake: FakeBroker,
) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 3))
    peer.deliver("T", 1, ["1", "2", "3"])
    await take(subscriber, 1)
    moving = asyncio.create_task(subscriber.subscribe("T", 1))
    request = await peer.read()
    assert (request["action"], request["from"]) == ("subscribe", 1)
    await take(subscriber, 2)  # which confirms 1 and 2
    asking = asyncio.create_task(subscriber.topics())
    asked = await peer.read()
    assert asked["action"] == "list_topics"
    peer.succeed(request)
    peer.deliver("T", 1, ["1", "2", "3"])
    peer.say("list_topics", id=asked["id"], topics=[], details=[])
    await asyncio.gather(moving, asking)
    assert await seqs(subscriber, 2) == [1, 2]
    assert await acked(peer) == ("T", 1)
    await subscriber.close()


async def test_a_subscribe_that_is_refused_lets_acks_go_on(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 3))
    peer.deliver("T", 1, ["1", "2", "3"])
    await take(subscriber, 1)
    moving = asyncio.create_task(subscriber.subscribe("T", 1))
    request = await peer.read()
    await take(subscriber, 1)
    peer.refuse(request, "store_unavailable")
    with pytest.raises(RequestRefused):
        await moving
    assert await acked(peer) == ("T", 1)
    assert await seqs(subscriber, 1) == [3]
    await subscriber.close()


async def test_a_cancelled_subscribe_is_carried_out_whole_or_not_at_all(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 2))
    peer.deliver("T", 1, ["1", "2"])
    assert await seqs(subscriber, 2) == [1, 2]
    moving = asyncio.create_task(subscriber.subscribe("T", 1))
    while (request := await peer.read())["action"] != "subscribe":
        pass
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    peer.succeed(request)
    peer.deliver("T", 1, ["1", "2"])
    assert await seqs(subscriber, 2) == [1, 2]
    await subscriber.close()


async def test_subscribe_is_asked_again_and_begins_where_it_says(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 5, 5))
    moving = asyncio.create_task(subscriber.subscribe("T", 2))
    await peer.read()
    peer.cut()
    peer = await signed_in(fake, ("T", 1, 5))  # it had been carried out
    peer.deliver("T", 2, ["2", "3"])
    while (request := await peer.read())["action"] == "ack":
        pass  # as it had all that before
    assert (request["action"], request["from"]) == ("subscribe", 2)
    peer.succeed(request)
    peer.deliver("T", 2, ["2", "3", "4", "5"])
    await moving
    assert await seqs(subscriber, 4) == [2, 3, 4, 5]
    await subscriber.close()


async def test_unsubscribe_is_asked_again_and_is_no_error_then(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 0))
    leaving = asyncio.create_task(subscriber.unsubscribe("T"))
    await peer.read()
    peer.cut()
    peer = await signed_in(fake)
    peer.refuse(await peer.read(), "not_subscribed")
    await leaving
    await subscriber.close()


async def test_a_program_that_takes_nothing_stops_the_reading_and_its_questions_go_through(
    fake: FakeBroker,
) -> None:
    subscriber = to(fake, ahead_bytes=10_000, heartbeat_s=0.02)
    peer = await opened(subscriber, fake, ("T", 0, 10**6))
    link = subscriber._link
    assert link is not None
    sent = 0
    while not link.paused:
        peer.deliver("T", sent + 1, ["x" * 1_000])
        sent += 1
        await asyncio.sleep(0)
    asking = asyncio.create_task(subscriber.topics())
    while (request := await peer.read())["action"] != "list_topics":
        peer.succeed(request)  # a heartbeat from before the pause
    peer.say("list_topics", id=request["id"], topics=[], details=[])
    await asking
    assert link.paused
    assert await seqs(subscriber, sent) == [*range(1, sent + 1)]
    assert not link.paused
    assert subscriber.state.phase is Phase.LIVE
    await subscriber.close()


async def test_a_question_that_cannot_be_sent_does_not_undo_the_pause(fake: FakeBroker) -> None:
    subscriber = to(fake, ahead_bytes=1)
    peer = await opened(subscriber, fake, ("T", 0, 1))
    peer.deliver("T", 1, ["x"])
    await subscriber_has(subscriber, blocks=1)
    with pytest.raises(UnicodeEncodeError):
        await subscriber.subscribe("\ud800")
    assert subscriber._link is not None
    assert subscriber._link.paused
    await subscriber.close()


async def test_a_paused_reader_comes_back_and_pauses_again(fake: FakeBroker) -> None:
    watch = Watch()
    subscriber = to(fake, ahead_bytes=1, on_state=watch)
    peer = await opened(subscriber, fake, ("T", 0, 1))
    peer.deliver("T", 1, ["1"])
    await subscriber_has(subscriber, blocks=1)
    peer.cut()
    assert await seqs(subscriber, 1) == [1]
    peer = await signed_in(fake, ("T", 0, 2))
    peer.deliver("T", 1, ["1", "2"])
    assert await seqs(subscriber, 1) == [2]
    await subscriber.close()


@pytest.mark.parametrize("steps", range(6))
async def test_cancelling_a_wait_for_the_next_loses_nothing(fake: FakeBroker, steps: int) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 3))
    waiting = asyncio.create_task(anext(subscriber))
    await asyncio.sleep(0)
    peer.deliver("T", 1, ["1", "2"])
    if steps > 3:
        await subscriber_has(subscriber, blocks=1)
    for _ in range(steps % 4):
        await asyncio.sleep(0)
    waiting.cancel()
    try:
        taken = [(await waiting).seq]
    except asyncio.CancelledError:
        taken = []
    assert taken + await seqs(subscriber, 2 - len(taken)) == [1, 2]
    await subscriber.close()


async def test_two_tasks_that_take_are_a_mistake_that_is_told(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 1))
    first = asyncio.create_task(anext(subscriber))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task"):
        await anext(subscriber)
    peer.deliver("T", 1, ["x"])
    assert (await first).seq == 1
    await subscriber.close()


async def test_closing_ends_the_loops(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 3))
    peer.deliver("T", 1, ["1", "2"])
    assert await seqs(subscriber, 1) == [1]
    peer.deliver("T", 3, ["3"])
    await subscriber_has(subscriber, blocks=1)
    await subscriber.close()
    assert [message async for message in subscriber] == []
    assert [block async for block in subscriber.blocks()] == []


async def test_closing_ends_a_wait_for_the_next(fake: FakeBroker) -> None:
    for blocks in (False, True):
        subscriber = to(fake)
        await opened(subscriber, fake)

        async def rest(subscriber: Subscriber = subscriber, blocks: bool = blocks) -> list[object]:
            return [one async for one in (subscriber.blocks() if blocks else subscriber)]

        waiting = asyncio.create_task(rest())
        await asyncio.sleep(0)
        await subscriber.close()
        assert await waiting == []


async def test_after_a_take_over_nothing_more_is_handed_out(fake: FakeBroker) -> None:
    watch = Watch()
    subscriber = to(fake, on_state=watch)
    peer = await opened(subscriber, fake, ("T", 0, 2))
    peer.deliver("T", 1, ["1", "2"])
    assert await seqs(subscriber, 1) == [1]
    peer.dismiss("taken_over", "somebody else")
    await watch.next(Phase.CLOSED)
    with pytest.raises(SessionEnded, match="somebody else"):
        await anext(subscriber)
    with pytest.raises(SessionEnded, match="somebody else"):
        await anext(subscriber.blocks())
    await subscriber.close()


async def test_leaving_the_block_is_quiet_where_the_program_was_told_of_the_end(
    fake: FakeBroker,
) -> None:
    signing_in = asyncio.create_task(signed_in(fake, ("T", 0, 1)))
    async with to(fake) as subscriber:
        peer = await signing_in
        peer.deliver("T", 1, ["1"])
        assert await seqs(subscriber, 1) == [1]
        peer.dismiss("taken_over", "somebody else")
        with pytest.raises(SessionEnded):
            await anext(subscriber)


async def test_the_same_seq_of_another_topic_is_another_message(fake: FakeBroker) -> None:
    subscriber = to(fake)
    peer = await opened(subscriber, fake, ("T", 0, 1), ("U", 0, 1))
    peer.deliver("T", 1, ["t"])
    peer.deliver("U", 1, ["u"])
    assert [one.text for one in await take(subscriber, 2)] == ["t", "u"]
    assert await acked(peer) == ("T", 1)
    await subscriber.close()
