"""Looking at what may not answer: who waits for it, for how long, and what stays behind."""

import asyncio
import threading

import pytest

from broker.lookout import Lookout
from tests.patience import until


class Place:
    """What is looked at. It answers when the test says."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.looks = 0

    def look(self) -> int:
        self.looks += 1
        self.goes_on.wait()
        if self.looks == 3:
            raise OSError(5, "Input/output error")
        return self.looks


async def test_what_hangs_is_looked_at_once_and_its_answer_is_the_next_ones() -> None:
    place = Place()
    lookout = Lookout(place.look)
    for _ in range(5):
        with pytest.raises(TimeoutError, match="no answer for 0 s"):
            await lookout.seen(0)
    await until(lambda: place.looks > 0)
    assert place.looks == 1
    place.goes_on.set()
    async with asyncio.timeout(10):
        assert [await lookout.seen(10), await lookout.seen(10)] == [1, 2]
        with pytest.raises(OSError, match="Input/output error"):
            await lookout.seen(10)
        assert await lookout.seen(10) == 4


def test_the_loop_may_end_while_a_look_is_under_way() -> None:
    place = Place()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await Lookout(place.look).seen(0)

    asyncio.run(give_up())
    (out,) = [one for one in threading.enumerate() if one.name == "lookout"]
    place.goes_on.set()
    out.join()
