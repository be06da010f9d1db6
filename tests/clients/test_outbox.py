"""What a publisher has accepted: batches, ids, room, and what becomes of each message."""

import asyncio
import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from clients import RequestRefused, SessionEnded
from clients.outbox import BATCH_MESSAGES, LAST_ID, Batch, Outbox, Publication
from protocol.incoming import Succeeded
from protocol.replies import Error, Limits
from protocol.requests import PublishMany, PublishMsg, decode

LIMITS = Limits(line_bytes=1_052_672, message_bytes=1_048_576)
SMALL = Limits(line_bytes=4_096 + 60, message_bytes=60)

texts = st.text(max_size=12)


def messages_of(line: bytes) -> list[str]:
    """Return the messages in a line, as the broker reads them."""
    (request,) = decode([line.removesuffix(b"\n")])
    assert isinstance(request, PublishMsg | PublishMany)
    return [request.msg] if isinstance(request, PublishMsg) else request.msgs


class Publishing(RuleBasedStateMachine):
    """A publisher's outbox and a broker that stores each id once, over a line that breaks.

    The broker answers in order; what it refuses is never stored. In the end each message is
    stored exactly once, in the order in which they were accepted, or its publisher was told
    that it is refused.
    """

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.outbox = self._outbox(most_messages=8, most_bytes=400)
        self.connected = True
        self.coming: list[tuple[int, bytes]] = []  # lines on their way to the broker
        self.answers: list[Succeeded | Error] = []  # and answers on their way back
        self.stored: list[str] = []
        self.stored_ids: set[int] = set()
        self.refused: set[int] = set()
        self.accepted: list[tuple[str, Batch, int]] = []
        self.number = 0

    def _outbox(self, **most: int) -> Outbox:
        async def make() -> Outbox:
            return Outbox(**most)

        return self.loop.run_until_complete(make())

    @rule(text=texts, topic=st.sampled_from(["A", "B"]))
    def add(self, text: str, topic: str) -> None:
        self.number += 1
        text = f"{self.number} {text}"

        async def add() -> None:
            batch = self.outbox.add(topic, text, SMALL)
            self.accepted.append((text, batch, batch.count - 1))

        self.loop.run_until_complete(add())

    @rule(count=st.integers(1, 4), ahead=st.integers(0, 3))
    def add_batch(self, count: int, ahead: int) -> None:
        number = self.outbox.last_id + ahead if ahead else None
        self.number += 1
        together = [f"{self.number}/{place}" for place in range(count)]

        async def add() -> None:
            batch = self.outbox.add_batch("A", together, number)
            assert number is None or batch.id == number
            self.accepted += [(text, batch, place) for place, text in enumerate(together)]

        self.loop.run_until_complete(add())

    @rule()
    def flush(self) -> None:
        batches = self.outbox.seal(SMALL)
        if self.connected:
            self._send(batches)

    def _send(self, batches: list[Batch]) -> None:
        for batch in batches:
            assert len(batch.line) - 1 <= SMALL.line_bytes
            self.coming.append((batch.id, batch.line))

    @precondition(lambda self: self.coming)
    @rule(refusing=st.booleans())
    def store(self, refusing: bool) -> None:
        number, line = self.coming.pop(0)
        if number in self.stored_ids:
            self.answers.append(Succeeded(id=number, duplicate=True))
        elif refusing:
            self.refused.add(number)
            self.answers.append(Error(id=number, message="no", reason="low_disk"))
        else:
            self.stored_ids.add(number)
            self.stored += messages_of(line)
            first = len(self.stored) - len(messages_of(line)) + 1
            self.answers.append(Succeeded(id=number, seq=first))

    @precondition(lambda self: self.answers)
    @rule()
    def hear(self) -> None:
        self.outbox.answered(self.answers.pop(0))

    @rule()
    def lose_connection(self) -> None:
        self.connected = False
        self.coming.clear()
        self.answers.clear()

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        self._send(self.outbox.under_way(SMALL))

    @invariant()
    def it_is_full_where_too_much_waits(self) -> None:
        if not hasattr(self, "outbox"):
            return
        waiting = [text for text, batch, _ in self.accepted if not batch.first_seq.done()]
        assert self.outbox.messages == len(waiting)
        size = sum(len(json.dumps(text, ensure_ascii=False).encode()) for text in waiting)
        assert self.outbox.full or (len(waiting) < 8 and size < 400)
        assert self.outbox.full is not self.outbox.room.is_set()

    def teardown(self) -> None:
        if not hasattr(self, "outbox"):
            return
        self.lose_connection()
        self.flush()
        self.connect()
        while self.coming:
            self.store(refusing=False)
        while self.answers:
            self.hear()
        assert self.outbox.unanswered() == []
        kept = []
        for text, batch, place in self.accepted:
            if batch.first_seq.exception() is None:
                kept.append((batch.id, text))
                seq = batch.first_seq.result()
                assert seq is None or self.stored[seq - 1 + place] == text
        assert sorted(text for _, text in kept) == sorted(self.stored)
        # What was refused, and the refusal lost, is tried again: behind what came after it.
        in_order = [text for number, text in kept if number not in self.refused]
        assert [text for text in self.stored if text in in_order] == in_order
        self.loop.close()


TestPublishing = Publishing.TestCase
TestPublishing.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.fixture
async def outbox() -> Outbox:
    return Outbox(most_messages=100_000, most_bytes=2**30)


async def test_messages_of_one_turn_for_one_topic_are_one_line(outbox: Outbox) -> None:
    for text in ("one", "two", "three"):
        outbox.add("T", text, LIMITS)
    (batch,) = outbox.seal(LIMITS)
    assert json.loads(batch.line) == {
        "action": "publish_many",
        "topic_name": "T",
        "msgs": ["one", "two", "three"],
        "id": 1,
    }


async def test_a_lone_message_is_a_plain_publish(outbox: Outbox) -> None:
    outbox.add("T", "one", LIMITS)
    (batch,) = outbox.seal(LIMITS)
    assert json.loads(batch.line) == {
        "action": "publish_msg",
        "topic_name": "T",
        "msg": "one",
        "id": 1,
    }


async def test_another_topic_or_a_full_batch_begins_another(outbox: Outbox) -> None:
    for topic in ("A", "B", "A"):
        outbox.add(topic, "x", LIMITS)
    for _ in range(BATCH_MESSAGES):
        outbox.add("A", "x", LIMITS)
    batches = outbox.seal(LIMITS)
    assert [(one.topic, one.count) for one in batches] == [
        ("A", 1),
        ("B", 1),
        ("A", BATCH_MESSAGES),
        ("A", 1),
    ]
    assert [one.id for one in batches] == [1, 2, 3, 4]


@given(st.lists(st.text(max_size=30), max_size=60))
def test_no_batch_is_larger_than_a_line_whatever_is_in_it(messages: list[str]) -> None:
    async def fill() -> list[Batch]:
        outbox = Outbox(10**6, 10**9)
        for text in messages:
            outbox.add("T" * 200, text, SMALL)
        return outbox.seal(SMALL)

    batches = asyncio.run(fill())
    found: list[str] = []
    for batch in batches:
        assert len(batch.line) - 1 <= SMALL.line_bytes
        found += messages_of(batch.line)
    assert found == messages


@given(st.lists(st.text(max_size=30), min_size=2, max_size=60))
def test_what_is_over_the_limit_shares_its_batch_with_nobody(messages: list[str]) -> None:
    async def fill() -> list[Batch]:
        outbox = Outbox(10**6, 10**9)
        for text in messages:
            outbox.add("T", text, SMALL)
        return outbox.seal(SMALL)

    for batch in asyncio.run(fill()):
        own = messages_of(batch.line)
        sizes = [len(json.dumps(text, ensure_ascii=False).encode()) for text in own]
        assert len(own) == 1 or max(sizes) <= SMALL.message_bytes


async def test_what_fits_in_no_line_is_refused_alone(outbox: Outbox) -> None:
    before = outbox.add("T", "small", SMALL)
    large = outbox.add_batch("T", ["x" * 9_000], None)
    after = outbox.add("T", "small too", SMALL)
    assert outbox.seal(SMALL) == [before, after]
    with pytest.raises(RequestRefused, match="4156 bytes") as raised:
        await Publication(large, 0)
    assert raised.value.reason == "too_large"
    assert outbox.messages == 2


async def test_what_fits_in_no_line_any_more_is_refused_when_it_is_sent_again(
    outbox: Outbox,
) -> None:
    large = outbox.add("T", "x" * 9_000, LIMITS)
    small = outbox.add("U", "x", LIMITS)
    assert outbox.seal(LIMITS) == [large, small]
    assert outbox.under_way(SMALL) == [small]
    with pytest.raises(RequestRefused, match="4156 bytes"):
        await Publication(large, 0)


class Topic(StrEnum):
    ORDERS = "orders"


class Odd(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


async def test_subclasses_of_str_are_text(outbox: Outbox) -> None:
    outbox.add(Topic.ORDERS, Topic.ORDERS, LIMITS)
    outbox.add(Topic.ORDERS, Odd("odd"), LIMITS)
    (batch,) = outbox.seal(LIMITS)
    assert json.loads(batch.line)["topic_name"] == "orders"
    assert messages_of(batch.line) == ["orders", "odd"]


WRONG: list[Any] = [b"bytes", 7, None, ["x"]]


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_not_text_is_told_and_hurts_nothing(outbox: Outbox, wrong: Any) -> None:
    await _tells(outbox, wrong, TypeError)


@pytest.mark.parametrize("wrong", ["\ud800", "a\udfffb", "\ud83d\ude00"])
async def test_half_a_surrogate_pair_is_told_and_hurts_nothing(outbox: Outbox, wrong: str) -> None:
    await _tells(outbox, wrong, UnicodeEncodeError)


async def _tells(outbox: Outbox, wrong: Any, error: type[Exception]) -> None:
    outbox.add("T", "before", LIMITS)
    for topic, texts in (("T", ["x", wrong]), (wrong, ["x"])):
        with pytest.raises(error):
            outbox.add_batch(topic, texts, None)
        with pytest.raises(error):
            outbox.add(topic, texts[-1], LIMITS)
    outbox.add("T", "after", LIMITS)
    assert [messages_of(batch.line) for batch in outbox.seal(LIMITS)] in (
        [["before", "after"]],
        [["before"], ["after"]],
    )
    assert outbox.messages == 2


@pytest.mark.parametrize("wrong", [0, -1, 5, LAST_ID + 1, True, 7.5, "8"])
async def test_an_id_that_is_none_or_not_above_the_last_is_told(outbox: Outbox, wrong: Any) -> None:
    outbox.add_batch("T", ["x"], 5)
    with pytest.raises(ValueError, match=r"^(an )?id "):
        outbox.add_batch("T", ["y"], wrong)
    assert outbox.last_id == 5
    assert outbox.messages == 1


async def test_after_the_last_id_there_is_none(outbox: Outbox) -> None:
    outbox.add_batch("T", ["x"], LAST_ID)
    with pytest.raises(ValueError, match="id"):
        outbox.add("T", "y", LIMITS)


async def test_an_empty_list_is_told(outbox: Outbox) -> None:
    with pytest.raises(ValueError, match="nothing"):
        outbox.add_batch("T", [], None)


async def test_one_text_in_the_place_of_a_list_is_told(outbox: Outbox) -> None:
    with pytest.raises(TypeError, match="list"):
        outbox.add_batch("T", "abc", None)


async def test_at_the_end_everything_is_settled_and_there_is_room() -> None:
    outbox = Outbox(most_messages=1, most_bytes=100)
    first = outbox.add("T", "x", LIMITS)
    outbox.seal(LIMITS)
    second = outbox.add("T", "y", LIMITS)
    assert outbox.full
    outbox.fail("it is over")
    assert not outbox.full
    assert outbox.messages == 0
    for batch in (first, second):
        with pytest.raises(SessionEnded, match="it is over"):
            await Publication(batch, 0)


@pytest.mark.parametrize("reason", ["store_unavailable", "stopping"])
async def test_what_is_refused_in_passing_stays(outbox: Outbox, reason: str) -> None:
    batch = outbox.add("T", "x", LIMITS)
    outbox.seal(LIMITS)
    outbox.answered(Error(id=batch.id, message="in a moment", reason=reason))
    assert outbox.under_way(LIMITS) == [batch]
    outbox.answered(Succeeded(id=batch.id, seq=7))
    assert (await Publication(batch, 0)).seq == 7


async def test_answers_to_nothing_are_nothing(outbox: Outbox) -> None:
    batch = outbox.add("T", "x", LIMITS)
    outbox.answered(Succeeded(id=batch.id, seq=7))  # not sealed, so never sent
    outbox.answered(Succeeded(id=99, seq=7))
    outbox.answered(Succeeded(id="1", seq=7))
    assert outbox.unanswered() == [batch]
