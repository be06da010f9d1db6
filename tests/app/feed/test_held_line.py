"""The line that tells that a feed is held."""

import pytest
from textual.widgets import Static

from app.feed import FeedView, HeldLine
from tests.app.feed.host import add, rows, shown


def words(line: HeldLine) -> list[str]:
    return [str(part.content) for part in line.query(Static)]


@pytest.mark.parametrize(("ascii_only", "arrow"), [(False, "↓"), (True, "v")])
async def test_it_tells_that_the_feed_is_held_and_how_to_go_on(
    ascii_only: bool, arrow: str
) -> None:
    feed = FeedView(ascii=ascii_only)
    line = HeldLine(feed)
    async with shown(feed, line, size=(60, 12)) as pilot:
        await add(pilot, feed, rows(1, 50))
        assert words(line) == ["", ""]
        await pilot.press("space")
        assert words(line) == ["held: your place is kept", "G newest"]
        await add(pilot, feed, rows(51, 64))
        assert words(line) == ["held: your place is kept", f"{arrow} 14 new, G newest"]
        await pilot.press("G")
        assert words(line) == ["", ""]
