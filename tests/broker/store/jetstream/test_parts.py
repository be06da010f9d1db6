"""The small parts that decide: which sequences are looked at, and whose turn it is."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.store.errors import StoreRefused
from broker.store.interface import NewBlock
from broker.store.jetstream.placing import MOST, Places
from broker.store.jetstream.record import (
    HEADER,
    Fence,
    Mark,
    Place,
    Preface,
    after,
    read,
    written,
)
from broker.store.jetstream.streams import Message
from broker.store.jetstream.turns import Turns

# places


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=40),
    st.lists(st.integers(1, 40), max_size=20),
    st.data(),
)
def test_what_is_looked_for_lies_where_places_say(
    counts: list[int], known: list[int], data: st.DataObject
) -> None:
    """`counts` are the messages in each of a stream's records, from sequence 1 on."""
    heads = [sum(counts[:end]) for end in range(1, len(counts) + 1)]
    places = Places()
    for sequence in known:
        if sequence <= len(heads):
            places.add(sequence, heads[sequence - 1])
    seq = data.draw(st.integers(1, max(heads[-1], 1)))
    low, high = places.around(seq, 1, len(heads) + 1)
    wanted = next((one for one, head in enumerate(heads, 1) if head >= seq), len(heads) + 1)
    assert low <= wanted <= high


def test_places_are_bounded() -> None:
    places = Places()
    for sequence in range(1, 3 * MOST):
        places.add(sequence, sequence)
    assert len(places._known) <= MOST
    assert places.around(3 * MOST - 1, 1, 3 * MOST) == (3 * MOST - 1, 3 * MOST - 1)


# records


def test_a_record_is_read_as_it_was_written() -> None:
    place = Place(7, 10, 500, 3, 88)
    block = NewBlock(1, 2, [5, 6], b'"a"\n"b"\n')
    then = after(place, block, 2**63 - 1)
    assert then == Place(8, 12, 508, 3, 2**63 - 1)
    preface = Preface((5, 6), (Mark(5, 'p"\n', 9, (1, 2), 4),), Fence(5, "p", 4, 3))
    headers, payload = written(place, then, 17, preface, block.bodies)
    assert headers["Nats-Expected-Last-Sequence"] == "7"
    found = read(Message("s", 8, headers, payload))
    assert (found.place, found.first_seq, found.count) == (then, 11, 2)
    assert (found.batch, found.previous) == (2**63 - 1, 88)
    assert (found.time_us, found.preface, found.bodies) == (17, preface, block.bodies)


def test_a_fence_is_where_it_lies() -> None:
    assert after(Place(7, 10, 500, 3), None, 9, fence=True) == Place(8, 10, 500, 8, 9)


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({}, b"{}"),
        ({HEADER: "1 1 1 0 0 0 0"}, b"{}"),
        ({HEADER: "2 1 1 0 0 0 0 0 2"}, b"{}"),
        ({HEADER: "1 1 1 0 0 0 0 0 x"}, b"{}"),
        ({HEADER: "1 1 1 0 0 0 0 0 2"}, b"[]"),
        ({HEADER: "1 1 1 0 0 0 0 0 9"}, b"{}"),
    ],
)
def test_what_somebody_else_wrote_is_refused(headers: dict[str, str], payload: bytes) -> None:
    if payload == b"{}" and headers.get(HEADER, "").endswith("9"):
        payload = b"{"
    with pytest.raises(StoreRefused, match=r"message 3 of the stream of s was not written by"):
        read(Message("s", 3, headers, payload))


# turns


async def test_who_comes_too_late_says_so_and_the_others_leave_it_room() -> None:
    said: list[str] = []

    async def tell(text: str) -> None:
        said.append(text)

    ours, others = Turns(tell), Turns(tell)
    ahead, late = ours.of(1), others.of(1)
    now = asyncio.get_running_loop().time()
    await ahead.appended(Place(1, 1), now - 0.02)
    assert said == []  # nobody is kept waiting
    await late.came_too_late()
    await late.came_too_late()
    assert len(said) == 1  # not again at once
    for turns in (ours, others):
        turns.heard(said[0])
        for text in (None, "", "nonsense", "x 1 2", "x 1 -2 3 4 5 6", "x 7", "x 1 1 1 1 1 1 1 1 1"):
            turns.heard(text)
    assert ahead._polite_until > now
    place = Place(2, 5, 100, 1, 2**63 - 1)
    await ahead.appended(place, now)
    assert await late.told(2) is None  # not yet
    others.heard(said[1])
    assert (await late.told(2), late.known(1), late.known(3)) == (place, None, None)
    await ahead.wait()
    assert asyncio.get_running_loop().time() >= ahead._appended_at + ahead._takes_s - 0.001
