"""What every account may ask, and the front door."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import clients
from clients import (
    AccountNotFound,
    Observer,
    Publisher,
    PubSubError,
    RequestRefused,
    Subscriber,
    TopicNotFound,
)
from protocol.reasons import Reason


def test_the_front_door_names_what_a_program_needs_and_no_more() -> None:
    assert sorted(clients.__all__) == clients.__all__
    assert set(clients.__all__) == {
        "AccountNotFound",
        "BadAddress",
        "BrokerNotTrusted",
        "Gap",
        "Message",
        "NoBroker",
        "Observer",
        "PasswordNeeded",
        "Phase",
        "PubSubError",
        "Publisher",
        "Receipt",
        "RequestRefused",
        "SessionEnded",
        "State",
        "Subscriber",
        "TopicNotFound",
        "UnusableCA",
        "WrongPassword",
    }
    for name in clients.__all__:
        assert getattr(clients, name).__doc__, f"{name} does not say what it is"


def test_every_error_but_a_wrong_address_is_one_of_the_library() -> None:
    errors = [getattr(clients, name) for name in clients.__all__]
    errors = [one for one in errors if issubclass(one, Exception)]
    for error in errors:
        assert issubclass(error, ValueError if error is clients.BadAddress else PubSubError)


async def test_topics_are_listed_oldest_first(publishing: Callable[..., Publisher]) -> None:
    async with publishing() as publisher:
        assert await publisher.topics() == []
        for name in ("B", "A"):
            await publisher.create_topic(name)
        await publisher.publish("A", "x")
        topics = await publisher.topics()
        assert [(one.topic_name, one.head) for one in topics] == [("B", 0), ("A", 1)]


async def test_history_gives_what_is_right_before_and_right_after(
    publishing: Callable[..., Publisher],
) -> None:
    async with publishing() as publisher:
        await publisher.create_topic("T")
        await publisher.publish_many("T", map(str, range(1, 21)))

        async def seqs(**where: int) -> list[int]:
            return [one.seq for one in await publisher.history("T", **where)]

        assert await seqs(after=0) == [*range(1, 21)]
        assert await seqs(after=5, limit=3) == [6, 7, 8]
        assert await seqs(before=5, limit=2) == [3, 4]
        assert await seqs(before=1) == []
        assert await seqs(after=20) == []
        (message,) = await publisher.history("T", after=6, limit=1)
        assert (message.text, message.publisher, message.unread) == ("7", "p@b.c", False)


async def test_what_cannot_be_asked_is_told(publishing: Callable[..., Publisher]) -> None:
    async with publishing() as publisher:
        await publisher.create_topic("T")
        with pytest.raises(TopicNotFound):
            await publisher.history("nowhere", after=0)
        with pytest.raises(TopicNotFound):
            await publisher.confirmations("nowhere", 1)
        wrong: list[dict[str, Any]] = [
            {},
            {"after": 1, "before": 2},
            {"after": -1},
            {"after": 0, "limit": 0},
            {"after": 0, "limit": 1_001},
            {"after": "x"},
        ]
        for where in wrong:
            with pytest.raises(RequestRefused) as raised:
                await publisher.history("T", **where)
            assert raised.value.reason == Reason.BAD_REQUEST


@pytest.mark.parametrize("role", ["publisher", "subscriber"])
async def test_an_observer_takes_an_account_of_either_role_and_nothing_from_it(
    address: str,
    publishing: Callable[..., Publisher],
    subscribing: Callable[..., Subscriber],
    role: str,
) -> None:
    async with publishing() as publisher, subscribing() as subscriber:
        await publisher.create_topic("T")
        await subscriber.subscribe("T")
        async with Observer(address, f"{role[0]}@b.c") as observer:
            assert observer.user_type == role
            await publisher.publish("T", "x")
            assert [one.head for one in await observer.topics()] == [1]
            assert (await observer.confirmations("T", 1)).confirmed == 0
            assert [one.text for one in await observer.history("T", after=0)] == ["x"]
            assert (await anext(subscriber)).text == "x"


async def test_an_observer_makes_no_account(address: str) -> None:
    with pytest.raises(AccountNotFound):
        await Observer(address, "nobody@b.c").open()
    with pytest.raises(RequestRefused, match="has to be there already"):
        await Observer(address, "nobody@b.c", create=True).open()


async def test_questions_of_many_tasks_get_their_own_answers(
    publishing: Callable[..., Publisher],
) -> None:
    async with publishing() as publisher:
        await publisher.create_topic("T")
        await publisher.publish_many("T", map(str, range(1, 51)))
        pages = await asyncio.gather(
            *(publisher.history("T", after=seq, limit=1) for seq in range(50))
        )
        assert [page[0].text for page in pages] == [*map(str, range(1, 51))]


async def test_a_cancelled_question_changes_nothing_for_the_next(
    publishing: Callable[..., Publisher],
) -> None:
    async with publishing() as publisher:
        await publisher.create_topic("T")
        for steps in range(8):
            asking = asyncio.create_task(publisher.topics())
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        assert [one.topic_name for one in await publisher.topics()] == ["T"]
