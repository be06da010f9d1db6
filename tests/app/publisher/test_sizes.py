"""How big a message is, said as a person says it, and checked as the broker does."""

from bisect import bisect_left

import pytest

from app.publisher.sizes import in_words, size_fault, size_of
from broker import Broker
from clients import Publisher, RequestRefused


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1024 KiB"),
        (1024**2, "1 MiB"),
        (5 * 1024**3, "5 GiB"),
        (5 * 1024**4, "5120 GiB"),
    ],
)
def test_a_size_is_said_in_the_fitting_unit(size: int, words: str) -> None:
    assert in_words(size) == words


def test_a_size_counts_bytes_not_characters() -> None:
    assert [size_of(text) for text in ("", "ab", "ä", "漢", "😀", "\ud800")] == [0, 2, 2, 3, 4, 3]


def test_half_a_character_cannot_be_sent() -> None:
    assert "half a character" in (size_fault("\ud800", 1000) or "")
    assert "half a character" in (size_fault("\ud800" * 1000, 1000) or "")


async def test_the_limit_is_the_brokers_to_the_byte(broker: Broker) -> None:
    async with Publisher(f"127.0.0.1:{broker.port}", "ada@example.com", create=True) as publisher:
        await publisher.create_topic("T")
        assert publisher.limits is not None
        limit = publisher.limits.message_bytes

        for letter in ("a", "\n", "\x00", "ä", "漢", '"'):

            def too_large(number: int, letter: str = letter) -> bool:
                return size_fault(letter * number, limit) is not None

            first = bisect_left(range(limit), True, key=too_large)
            await publisher.publish("T", letter * (first - 1))
            with pytest.raises(RequestRefused):
                await publisher.publish("T", letter * first)
