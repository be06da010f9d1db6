"""What strangers write does nothing but stand there."""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from textual.widget import Widget

from app.feed import DetailView, DividerRow, FeedView, FilterBar, MessageRow
from app.feed.columns import columns_for
from app.feed.filter import FilterError, parse
from app.feed.paint import ASCII, UNICODE, Painter
from tests.app.feed.host import NOON, add, row, screen_of, shown

HOSTILE = {
    "closing tag": "[/x]",
    "tag": "[bold]loud[/bold] [@click=app.quit]quit[/]",
    "escape": "\x1b[31mred\x1b[0m \x1b[2J\x1b[H",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "title": "\x1b]0;owned\x1b\\ \x9d0;owned\x9c \x9b31m",
    "bidi": "user\u202etxt.exe\u2066\u2069\u200f",
    "zero width": "pay\u200bpal\u200d\u2060\ufeff\U000e0041",
    "wide": "日本語のメッセージ全角" * 20,
    "emoji": "👨\u200d👩\u200d👧 ❤\ufe0f 👍\U0001f3fd 🇩🇪" * 10,
    "combining": "e" + "\u0301" * 2000 + "\u0301\u0301 z\u0335",
    "leading combining": "\u0301\u0335abc",
    "megabyte": "x" * 1_000_000,
    "wide megabyte": "日" * 1_000_000,
    "controls": "".join(map(chr, range(0x20))) + "\x7f" + "".join(map(chr, range(0x80, 0xA0))),
    "lines": "a\r\nb\nc\rd\x0be\x0cf\x85g\u2028h\u2029i",
    "nul": "\x00" * 50,
    "surrogates": "\ud800 \udfff \udc80",
    "json": '{"a\x1b[31m":"[/x]\\u001b[2J","b":"\u202e"}',
    "nothing": "",
}
UNWANTED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def no_style(*_: str, partial: bool = False) -> Style:
    return Style.null()


def check(shown_text: str) -> None:
    """No character that drives, turns or hides, and none that cannot be written."""
    assert not {unicodedata.category(character) for character in set(shown_text)} & UNWANTED
    shown_text.encode()


def check_widget(widget: Widget) -> None:
    for y in range(widget.size.height):
        strip = widget.render_line(y)
        check(strip.text)
        assert strip.cell_length == cell_len(strip.text)
        assert not any(segment.control for segment in strip)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_on_a_feed(text: str) -> None:
    feed = FeedView(zone=UTC, show_topic=True)
    async with shown(feed, FilterBar(feed), size=(100, 12)) as pilot:
        await add(
            pilot,
            feed,
            [
                MessageRow("t", 1, "bob", NOON, text, unread=True),
                MessageRow("t", 2, text, NOON, "by a stranger"),
                MessageRow(text, 3, "bob", NOON, "to a strange topic"),
                DividerRow(text),
            ],
        )
        feed.placeholder = text
        for keys in (["k"], ["right"], ["right"], ["enter"]):
            await pilot.press(*keys)
            check_widget(feed)
            assert {feed.render_line(y).cell_length for y in range(9)} == {99}
        feed.topic = "no such topic"
        await pilot.pause()
        check_widget(feed)
        for line in screen_of(pilot):
            check(line)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_in_a_filter(text: str) -> None:
    feed = FeedView(zone=UTC)
    bar = FilterBar(feed)
    async with shown(feed, bar, size=(100, 12)) as pilot:
        await add(pilot, feed, [row(1, text), row(2, "plain")])
        bar.open()
        for typed in (text[:500], f"re:{text[:500]}", f"from:{text[:500]}", f"a={text[:500]}"):
            feed.filter_text = typed
            await pilot.pause()
            check_widget(feed)
            for line in screen_of(pilot):
                check(line)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_in_the_detail_view(text: str) -> None:
    detail = DetailView(zone=UTC)
    async with shown(detail, size=(60, 20)) as pilot:
        for message in (row(1, text), row(2, "x", topic=text), row(3, "x", publisher=text)):
            detail.show(message)
            detail.focus_body()
            for keys in ("x", "w", "G", "x", "w", "g"):
                await pilot.press(keys)
                for line in screen_of(pilot):
                    check(line)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text(), st.text(), st.text(), st.integers(1, 120), st.booleans(), st.integers(0, 30))
def test_a_drawn_row_is_exactly_as_wide_as_the_feed(
    topic: str, publisher: str, text: str, width: int, wide: bool, sideways: int
) -> None:
    columns = columns_for(width, wide=wide, show_topic=True, seq_digits=3)
    painter = Painter(columns, ASCII if wide else UNICODE, no_style, UTC, sideways, None)
    moment = datetime.max.replace(tzinfo=UTC)
    for strip in (
        painter.row(MessageRow(topic, 7, publisher, moment, text)),
        painter.row(DividerRow(text)),
        painter.heading(),
        painter.notice(text),
        painter.blank(),
    ):
        assert cell_len(strip.text) == painter.width
        check(strip.text)


@given(st.text(max_size=20), st.text(max_size=200))
def test_marks_of_any_filter_on_any_text_keep_the_width(typed: str, text: str) -> None:
    try:
        found = parse(typed)
    except FilterError:
        return
    columns = columns_for(60, wide=True, show_topic=False, seq_digits=3)
    painter = Painter(columns, UNICODE, no_style, UTC, 0, found)
    assert cell_len(painter.row(row(1, text)).text) == painter.width
