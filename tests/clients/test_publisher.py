"""The publisher: what it accepts is stored once and in order, or its program is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from broker import Broker
from clients import (
    AccountNotFound,
    Phase,
    Publisher,
    Receipt,
    RequestRefused,
    SessionEnded,
    TopicNotFound,
)
from clients.outbox import BATCH_MESSAGES
from protocol.reasons import Reason
from tests.clients.conftest import AT_ONCE
from tests.clients.watch import Watch
from tests.doubles.fake_broker import FakeBroker, Peer

Make = Callable[..., Publisher]


@pytest.fixture
async def publisher(publishing: Make) -> AsyncIterator[Publisher]:
    """A publisher of a real broker that has the topic T."""
    async with publishing() as one:
        await one.create_topic("T")
        yield one


async def texts_of(publisher: Publisher, topic: str = "T") -> list[str]:
    texts: list[str] = []
    while page := await publisher.history(topic, after=len(texts), limit=1_000):
        texts += [message.text for message in page]
    return texts


def to(fake: FakeBroker, **options: Any) -> Publisher:
    return Publisher(fake.address, "p@b.c", **({"backoff": AT_ONCE} | options))


async def opened(publisher: Publisher, fake: FakeBroker, **keys: Any) -> Peer:
    peer, _ = await asyncio.gather(fake.signed_in(**keys), publisher.open())
    return peer


# a real broker


async def test_a_receipt_says_where_the_message_is(publisher: Publisher) -> None:
    assert await publisher.publish("T", "one") == Receipt("T", 1)
    assert await publisher.publish("T", "") == Receipt("T", 2)
    assert await texts_of(publisher) == ["one", ""]


async def test_what_is_sent_at_once_is_stored_in_order(publisher: Publisher) -> None:
    publications = [publisher.send_soon("T", str(number)) for number in range(10_000)]
    assert publisher.waiting == 10_000
    receipts = await asyncio.gather(*publications)
    assert [receipt.seq for receipt in receipts] == [*range(1, 10_001)]
    assert all(publication.done and not publication.resent for publication in publications)
    assert publisher.waiting == 0
    assert await texts_of(publisher) == [*map(str, range(10_000))]


async def test_any_text_comes_back_as_it_was(publisher: Publisher) -> None:
    texts = ["\0\x1b[2J\n\r", "ärger 日本 👍", "x" * 100_000, "\u2028", '"\\']
    await publisher.publish_many("T", texts)
    assert await texts_of(publisher) == texts


async def test_publish_together_gives_the_first_seq_and_no_gap(publisher: Publisher) -> None:
    await publisher.publish("T", "before")
    assert await publisher.publish_together("T", ["a", "b", "c"]) == Receipt("T", 2)
    assert (await publisher.publish("T", "after")).seq == 5


async def test_publish_many_takes_any_iterable_and_tells_how_far_it_is(
    publisher: Publisher,
) -> None:
    async def later() -> AsyncIterator[str]:
        for number in range(3):
            await asyncio.sleep(0)
            yield f"later {number}"

    told: list[int] = []
    assert await publisher.publish_many("T", map(str, range(25_000)), stored=told.append) == 25_000
    assert told == sorted(set(told))
    assert told[-1] == 25_000
    assert await publisher.publish_many("T", later()) == 3
    assert await publisher.publish_many("T", []) == 0
    assert (await texts_of(publisher))[-3:] == ["later 0", "later 1", "later 2"]


async def test_publish_many_takes_no_more_than_there_is_room_for(publishing: Make) -> None:
    taken = 0
    narrow = publishing(window=10)

    def count() -> Iterator[str]:
        nonlocal taken
        for taken in range(1, 101):
            assert narrow.waiting < 10
            yield str(taken)

    async with narrow:
        await narrow.create_topic("T")
        assert await narrow.publish_many("T", count()) == 100
        assert taken == 100


async def test_an_error_of_the_texts_comes_once_all_before_it_are_stored(
    publisher: Publisher,
) -> None:
    def until_it_breaks() -> Iterator[str]:
        yield from ("one", "two")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await publisher.publish_many("T", until_it_breaks())
    assert publisher.waiting == 0
    assert await texts_of(publisher) == ["one", "two"]


async def test_publish_many_closes_what_it_reads_from_through_a_refusal(
    publisher: Publisher,
) -> None:
    with pytest.raises(TopicNotFound):
        await publisher.publish_many("nowhere", map(str, range(30_000)))
    assert publisher.waiting == 0


async def test_two_tasks_share_the_publisher(publisher: Publisher) -> None:
    names = ("a", "b")
    await asyncio.gather(
        *(publisher.publish_many("T", [f"{name}{n}" for n in range(3_000)]) for name in names)
    )
    texts = await texts_of(publisher)
    for name in names:
        own = [text for text in texts if text[0] == name]
        assert own == [f"{name}{n}" for n in range(3_000)]


async def test_drain_returns_when_all_is_stored_or_refused(publisher: Publisher) -> None:
    good, bad = publisher.send_soon("T", "x"), publisher.send_soon("nowhere", "x")
    await publisher.drain()
    assert good.done
    assert bad.done
    with pytest.raises(TopicNotFound):
        await bad
    await publisher.drain()


async def test_leaving_the_block_waits_for_all_and_raises_the_first_refusal(
    publishing: Make, publisher: Publisher
) -> None:
    with pytest.raises(TopicNotFound, match="nowhere"):
        async with publishing("q@b.c") as other:
            other.send_soon("nowhere", "lost")
            other.send_soon("T", "kept")
            other.send_soon("nobody", "lost too")
    assert await texts_of(publisher) == ["kept"]


async def test_an_error_in_the_block_goes_up_and_nothing_is_waited_for(fake: FakeBroker) -> None:
    publisher = to(fake)
    signing_in = asyncio.create_task(fake.signed_in())
    with pytest.raises(ZeroDivisionError):
        async with publisher:
            publisher.send_soon("T", "x")
            raise ZeroDivisionError
    await signing_in


async def test_a_refusal_hurts_only_its_own(publisher: Publisher) -> None:
    large = "x" * 1_048_576
    results = await asyncio.gather(
        publisher.publish("T", "one"),
        publisher.publish("T", large),
        publisher.publish("nowhere", "two"),
        publisher.publish("T", "three"),
        publisher.publish_together("T", ["four"] * 300_000),
        publisher.publish("T", "five"),
        return_exceptions=True,
    )
    reasons = [one.reason if isinstance(one, RequestRefused) else "" for one in results]
    assert reasons == ["", Reason.TOO_LARGE, Reason.TOPIC_NOT_FOUND, "", Reason.TOO_LARGE, ""]
    assert await texts_of(publisher) == ["one", "three", "five"]


@pytest.mark.parametrize("wrong", [b"bytes", None, 7])
async def test_what_is_not_text_is_a_mistake_that_is_told(publisher: Publisher, wrong: Any) -> None:
    for work in (
        publisher.publish("T", wrong),
        publisher.publish(wrong, "x"),
        publisher.publish_together("T", [wrong]),
        publisher.publish_many("T", [wrong]),
        publisher.create_topic(wrong),
    ):
        with pytest.raises(TypeError, match="text"):
            await work
    assert (await publisher.publish("T", "fine")).seq == 1


@pytest.mark.parametrize("topic", ["\ud800", "T"])
async def test_half_a_surrogate_pair_is_a_mistake_that_is_told(
    publisher: Publisher, topic: str
) -> None:
    for work in (
        publisher.publish(topic, "\ud800"),
        publisher.publish_together(topic, ["fine", "\ud800"]),
        publisher.history("\ud800", after=0),
    ):
        with pytest.raises(UnicodeEncodeError):
            await work
    assert (await publisher.publish("T", "fine")).seq == 1


async def test_one_text_in_the_place_of_a_list_is_told(publisher: Publisher) -> None:
    with pytest.raises(TypeError, match="list"):
        await publisher.publish_many("T", "abc")
    with pytest.raises(TypeError, match="list"):
        await publisher.publish_together("T", "abc")


async def test_a_topic_that_is_there_is_told_unless_that_is_all_right(
    publisher: Publisher,
) -> None:
    with pytest.raises(RequestRefused) as raised:
        await publisher.create_topic("T")
    assert raised.value.reason == Reason.TOPIC_EXISTS
    await publisher.create_topic("T", exist_ok=True)
    with pytest.raises(RequestRefused, match="topic name"):
        await publisher.create_topic(" T", exist_ok=True)


async def test_low_disk_is_told_and_publishing_goes_on_when_there_is_space(
    broker: Broker, publisher: Publisher
) -> None:
    log = broker._hub.log
    log.close(Reason.LOW_DISK, "the disk is nearly full")
    with pytest.raises(RequestRefused, match="nearly full") as raised:
        await publisher.publish("T", "one")
    assert raised.value.reason == Reason.LOW_DISK
    log.reopen()
    assert (await publisher.publish("T", "two")).seq == 1


async def test_a_producer_learns_what_is_stored_and_goes_on(publishing: Make) -> None:
    async with publishing(producer="till 1") as first:
        assert first.last_id == 0
        await first.create_topic("T")
        await first.publish_together("T", ["a"], id=7)
        await first.publish_together("T", ["b", "c"], id=70)
        assert first.last_id == 70
        with pytest.raises(ValueError, match="70"):
            await first.publish_together("T", ["c"], id=70)
    async with publishing(producer="till 1") as second:
        assert second.last_id == 70
        assert (await second.publish("T", "d")).seq == 4
        assert second.last_id == 71
    async with publishing(producer="till 2") as other:
        assert other.last_id == 0
        assert await texts_of(other) == ["a", "b", "c", "d"]


async def test_a_newer_session_of_the_producer_takes_over(publishing: Make) -> None:
    watch = Watch()
    async with publishing(producer="till 1", on_state=watch), publishing(producer="till 1"):
        ended = await watch.next(Phase.CLOSED)
        assert "taken over" in ended.why


async def test_publishers_without_a_producer_share_an_account(
    publishing: Make, publisher: Publisher
) -> None:
    async with publishing() as other:
        assert (await other.publish("T", "x")).seq == 1
        assert (await publisher.publish("T", "y")).seq == 2


async def test_accounts_that_do_not_fit_are_told(publishing: Make, subscribing: Any) -> None:
    async with subscribing("s@b.c"):
        pass
    with pytest.raises(RequestRefused):
        await publishing("s@b.c", create=False).open()
    with pytest.raises(AccountNotFound):
        await publishing("nobody@b.c", create=False).open()
    with pytest.raises(RequestRefused, match="e-mail"):
        await publishing("no address").open()


async def test_limits_and_role_are_known_once_it_is_open(publisher: Publisher) -> None:
    assert publisher.limits is not None
    assert publisher.limits.message_bytes == 1_048_576
    assert publisher.user_type == "publisher"


# a scripted one


async def test_what_was_not_answered_is_sent_again_under_the_same_ids(fake: FakeBroker) -> None:
    watch = Watch()
    publisher = to(fake, on_state=watch)
    peer = await opened(publisher, fake)
    first = publisher.send_soon("T", "one")
    before = await peer.read()
    second = publisher.send_soon("T", "two")
    assert await peer.read() | {"id": 2} == before | {"msg": "two", "id": 2}
    peer.cut()
    await watch.next(Phase.RECONNECTING)
    third = publisher.send_soon("T", "three")
    peer = await fake.signed_in(last_id=1)
    again = [await peer.read() for _ in range(3)]
    assert [(one["id"], one["msg"]) for one in again] == [(1, "one"), (2, "two"), (3, "three")]
    peer.succeed(again[0], duplicate=True)
    peer.succeed(again[1], seq=2)
    peer.succeed(again[2], seq=3)
    assert await first == Receipt("T", None)
    assert [(await one).seq for one in (second, third)] == [2, 3]
    assert (first.resent, second.resent, third.resent) == (True, True, False)
    await publisher.close()


async def test_the_window_is_full_while_disconnected_and_opens_when_all_is_stored(
    fake: FakeBroker,
) -> None:
    publisher = to(fake, window=2)
    peer = await opened(publisher, fake)
    peer.cut()
    for text in ("one", "two"):
        await publisher.send("T", text)
    third = asyncio.create_task(publisher.send("T", "three"))
    together = asyncio.create_task(publisher.publish_together("T", ["four"]))
    peer = await fake.signed_in()
    request = await peer.read()
    assert request["msgs"] == ["one", "two"]
    assert not third.done()
    assert publisher.waiting == 2
    peer.succeed(request, seq=1)
    requests = [await peer.read(), await peer.read()]
    assert [one["msg"] for one in requests] == ["three", "four"]
    for seq, request in enumerate(requests, 3):
        peer.succeed(request, seq=seq)
    assert (await (await third)).seq == 3
    assert (await together).seq == 4
    await publisher.close()


async def test_the_window_is_one_of_bytes_too(fake: FakeBroker) -> None:
    publisher = to(fake)
    await opened(publisher, fake)
    for _ in range(8):
        await publisher.send("T", "x" * 2**20)
    waiting = asyncio.create_task(publisher.send("T", "y"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert publisher.waiting == 8
    await publisher.close()
    with pytest.raises(SessionEnded):
        await waiting


async def test_waiting_for_room_ends_with_the_session(fake: FakeBroker) -> None:
    publisher = to(fake, window=1)
    peer = await opened(publisher, fake)
    publisher.send_soon("T", "x")
    waiting = [
        asyncio.create_task(publisher.publish("T", "y")),
        asyncio.create_task(publisher.publish_together("T", ["z"])),
        asyncio.create_task(publisher.publish_many("T", ["z"])),
    ]
    await asyncio.sleep(0)
    peer.dismiss("taken_over", "somebody else")
    for work in waiting:
        with pytest.raises(SessionEnded, match="somebody else"):
            await work
    with pytest.raises(SessionEnded, match="somebody else"):
        await publisher.send("T", "x")
    assert publisher.waiting == 0
    await publisher.close()


async def test_leaving_the_block_tells_that_it_is_not_known_what_was_stored(
    fake: FakeBroker,
) -> None:
    watch = Watch()
    publisher = to(fake, on_state=watch)
    signing_in = asyncio.create_task(fake.signed_in())
    with pytest.raises(SessionEnded, match="somebody else"):
        async with publisher:
            peer = await signing_in
            publisher.send_soon("T", "stored?")
            await peer.read()
            peer.dismiss("taken_over", "somebody else")
            await watch.next(Phase.CLOSED)


async def test_leaving_the_block_is_quiet_where_nothing_was_under_way(fake: FakeBroker) -> None:
    watch = Watch()
    signing_in = asyncio.create_task(fake.signed_in())
    async with to(fake, on_state=watch):
        (await signing_in).dismiss("taken_over", "somebody else")
        await watch.next(Phase.CLOSED)


async def test_cancelling_a_publish_does_not_take_it_back(fake: FakeBroker) -> None:
    publisher = to(fake)
    peer = await opened(publisher, fake)
    publishing = asyncio.create_task(publisher.publish("T", "x"))
    request = await peer.read()
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert publisher.waiting == 1
    peer.refuse(request, "low_disk")
    await publisher.drain()
    assert publisher.waiting == 0
    await publisher.close()


async def test_cancelling_the_wait_for_room_publishes_nothing(fake: FakeBroker) -> None:
    publisher = to(fake, window=1)
    peer = await opened(publisher, fake)
    publisher.send_soon("T", "x")
    works: list[Any] = [publisher.publish("T", "y"), publisher.publish_together("T", ["z"])]
    for work in map(asyncio.ensure_future, works):
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    peer.succeed(await peer.read(), seq=1)
    last = publisher.send_soon("T", "last")
    request = await peer.read()
    assert request["msg"] == "last"
    peer.succeed(request, seq=2)
    assert (await last).seq == 2
    await publisher.close()


async def test_cancelling_publish_many_stops_taking_and_keeps_what_was_taken(
    fake: FakeBroker,
) -> None:
    taken: list[str] = []

    def texts() -> Iterator[str]:
        for number in range(100):
            taken.append(str(number))
            yield taken[-1]

    publisher = to(fake, window=3)
    peer = await opened(publisher, fake)
    publishing = asyncio.create_task(publisher.publish_many("T", texts()))
    request = await peer.read()
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert request["msgs"] == ["0", "1", "2"]
    assert len(taken) == 3
    assert publisher.waiting == 3
    await publisher.close()


async def test_cancelling_drain_and_create_topic_changes_nothing(fake: FakeBroker) -> None:
    publisher = to(fake)
    peer = await opened(publisher, fake)
    publication = publisher.send_soon("T", "x")
    request = await peer.read()
    for work in (publisher.drain(), publisher.create_topic("U")):
        task = asyncio.create_task(work)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    asked = await peer.read()
    assert asked["action"] == "create_topic"
    peer.refuse(asked, "topic_exists")  # nobody waits for it
    peer.succeed(request, seq=1)
    assert (await publication).seq == 1
    await publisher.close()


async def test_a_topic_made_before_the_connection_broke_is_no_error(fake: FakeBroker) -> None:
    publisher = to(fake)
    peer = await opened(publisher, fake)
    creating = asyncio.create_task(publisher.create_topic("T"))
    await peer.read()
    peer.cut()
    peer = await fake.signed_in()
    peer.refuse(await peer.read(), "topic_exists")
    await creating
    await publisher.close()


async def test_a_store_that_is_away_delays_and_does_not_refuse(fake: FakeBroker) -> None:
    publisher = to(fake)
    peer = await opened(publisher, fake)
    publication = publisher.send_soon("T", "x")
    request = await peer.read()
    peer.refuse(request, "store_unavailable", "not known")
    peer.dismiss("store_unavailable", "sign in again")
    peer = await fake.signed_in()
    assert await peer.read() == request
    peer.succeed(request, seq=1)
    assert (await publication).seq == 1
    await publisher.close()


async def test_ids_go_on_above_what_the_broker_has_and_never_back(fake: FakeBroker) -> None:
    publisher = to(fake, producer="till")
    peer = await opened(publisher, fake, last_id=41)
    assert publisher.last_id == 41
    publisher.send_soon("T", "x")
    assert (await peer.read())["id"] == 42
    peer.cut()
    peer = await fake.signed_in(last_id=0)  # its store was made anew
    assert (await peer.read())["id"] == 42
    publisher.send_soon("T", "y")
    assert (await peer.read())["id"] == 43
    await publisher.close()


async def test_a_broker_that_takes_less_now_refuses_only_what_is_too_large(
    fake: FakeBroker,
) -> None:
    publisher = to(fake)
    peer = await opened(publisher, fake)
    large = publisher.send_soon("T", "x" * 10_000)
    small = publisher.send_soon("U", "y")
    peer.cut()
    peer = await fake.signed_in(limits={"line_bytes": 5_000, "message_bytes": 1_000})
    request = await peer.read()
    assert request["msg"] == "y"
    peer.succeed(request, seq=1)
    assert (await small).seq == 1
    with pytest.raises(RequestRefused, match="5000 bytes"):
        await large
    await publisher.close()


async def test_the_account_is_made_for_the_same_producer(fake: FakeBroker) -> None:
    publisher = to(fake, producer="till", create=True)
    opening = asyncio.create_task(publisher.open())
    peer = await fake.accept()
    request = await peer.read()
    assert (request["action"], request["producer"]) == ("connect", "till")
    peer.refuse(request, "account_not_found")
    request = await peer.sign_in(last_id=0)
    assert (request["action"], request["producer"], request["version"]) == ("create", "till", 2)
    await opening
    await publisher.close()


async def test_batches_are_no_larger_than_the_broker_commits_well(fake: FakeBroker) -> None:
    publisher = to(fake, window=100_000)
    peer = await opened(publisher, fake)
    for number in range(BATCH_MESSAGES + 1):
        publisher.send_soon("T", str(number))
    assert len((await peer.read())["msgs"]) == BATCH_MESSAGES
    assert (await peer.read())["msg"] == str(BATCH_MESSAGES)
    await publisher.close()
