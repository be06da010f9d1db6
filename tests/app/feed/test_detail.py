"""One message in full."""

from datetime import UTC, timedelta

from textual.widgets import Static

from app.feed import DetailView
from app.feed.detail import BodyView
from tests.app.feed.host import NOON, lines, row, shown

MESSAGE = row(9813, '{"order":8,"state":"paid"}', topic="orders.eu", publisher="bob@example.com")


def header(detail: DetailView) -> list[str]:
    return str(detail.query_one(".detail--header", Static).content).split("\n")


def body(detail: DetailView) -> list[str]:
    return [line.strip() for line in lines(detail.query_one(BodyView)) if line.strip()]


async def test_the_header_tells_all_that_is_known() -> None:
    detail = DetailView(zone=UTC)
    async with shown(detail, size=(60, 20)) as pilot:
        detail.show(MESSAGE._replace(published_at=NOON), NOON + timedelta(milliseconds=12))
        await pilot.pause()
        assert header(detail) == [
            "topic     orders.eu",
            "seq       9,813",
            "from      bob@example.com",
            "published 2024-05-17 12:00:00.000+00:00",
            "received  2024-05-17 12:00:00.012+00:00",
            "size      26 B",
            "shown     pretty JSON, x raw; wrapped, w does not",
        ]


async def test_json_is_pretty_until_x_is_pressed() -> None:
    detail = DetailView(zone=UTC)
    detail.show(MESSAGE)
    async with shown(detail, size=(60, 20)) as pilot:
        detail.focus_body()
        assert body(detail) == ["{", '"order": 8,', '"state": "paid"', "}"]
        await pilot.press("x")
        assert body(detail) == ['{"order":8,"state":"paid"}']
        assert header(detail)[-1].startswith("shown     raw JSON, x pretty")
        await pilot.press("x")
        assert len(body(detail)) == 4


async def test_long_lines_are_wrapped_until_w_is_pressed() -> None:
    detail = DetailView(zone=UTC)
    detail.show(row(1, "word " * 30 + "END"))
    async with shown(detail, size=(40, 20)) as pilot:
        detail.focus_body()
        assert len(body(detail)) == 5
        assert body(detail)[-1].endswith("END")
        await pilot.press("w")
        assert len(body(detail)) == 1
        view = detail.query_one(BodyView)
        view.scroll_to(x=120, animate=False)
        await pilot.pause()
        assert body(detail)[0].endswith("END")


async def test_another_width_wraps_anew() -> None:
    detail = DetailView(zone=UTC)
    detail.show(row(1, "word " * 30 + "END"))
    async with shown(detail, size=(40, 20)) as pilot:
        await pilot.resize_terminal(90, 20)
        assert len(body(detail)) == 2


async def test_it_stays_on_its_message_until_another_is_shown() -> None:
    detail = DetailView(zone=UTC)
    async with shown(detail, size=(60, 20)) as pilot:
        detail.show(row(1, "first"))
        await pilot.pause()
        assert (detail.row, body(detail)) == (row(1, "first"), ["first"])
        detail.show(row(2, "second"))
        await pilot.pause()
        assert body(detail) == ["second"]


async def test_json_is_coloured() -> None:
    detail = DetailView(zone=UTC)
    detail.show(MESSAGE)
    async with shown(detail, size=(60, 20)):
        strip = detail.query_one(BodyView).render_line(1)
        assert len({part.style.color for part in strip if part.style is not None}) > 2
