"""The live feed: following, holding, its keys, its columns and what it posts."""

from datetime import UTC

import pytest

from app.feed import DividerRow, FeedState, FeedView, Row
from tests.app.feed.host import Clock, Host, add, heard, lines, row, rows, shown, texts, until


def feed_of(**options: object) -> FeedView:
    """A feed that shows times in UTC."""
    return FeedView(zone=UTC, **options)  # type: ignore[arg-type]  # options of any type


async def test_a_feed_follows_the_newest_row() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        assert texts(feed)[-1] == "order 50"
        await add(pilot, feed, rows(51, 60))
        assert texts(feed)[-1] == "order 60"
        assert not feed.held


async def test_what_was_added_is_drawn_by_itself() -> None:
    feed = feed_of()
    feed.add(rows(1, 3))
    async with shown(feed) as pilot:
        feed.add(rows(4, 5))
        await until(pilot, lambda: feed.pending == 0)
        assert texts(feed)[-5:] == [f"order {seq}" for seq in range(1, 6)]


async def test_a_feed_can_be_held_and_filtered_before_it_is_on_a_screen() -> None:
    feed = feed_of()
    feed.add(rows(1, 50))
    feed.filter_text = "re:0$"
    feed.hold()
    feed.follow()
    async with shown(feed) as pilot:
        await until(pilot, lambda: feed.pending == 0)
        assert texts(feed)[1:] == [f"order {seq}" for seq in (10, 20, 30, 40, 50)]


async def test_a_held_feed_does_not_move_under_hundreds_of_new_rows() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        await pilot.press("space")
        before = lines(feed)
        for first in range(51, 401, 7):
            await add(pilot, feed, rows(first, first + 6))
            assert lines(feed) == before
        assert (feed.held, feed.new_count) == (True, 350)


async def test_a_held_feed_does_not_move_when_the_oldest_rows_leave() -> None:
    feed = feed_of(keep=200)
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 200))
        feed.action_oldest()
        feed.action_move(60)
        before = lines(feed)
        for first in range(201, 241, 4):
            await add(pilot, feed, rows(first, first + 3))
            assert lines(feed) == before
        await add(pilot, feed, rows(241, 400))
        assert feed.held
        assert " ── 200 older rows have left this view ──" in lines(feed)[1]
        assert texts(feed)[2] == "order 201"
        assert feed.dropped == 200


@pytest.mark.parametrize("key", ["G", "end", "escape", "space"])
async def test_going_to_the_newest_row_follows_again(key: str) -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        await pilot.press("k")
        await add(pilot, feed, rows(51, 60))
        assert feed.held
        await pilot.press(key)
        assert not feed.held
        assert texts(feed)[-1] == "order 60"


@pytest.mark.parametrize(
    ("keys", "seq"),
    [
        (["k"], 49),
        (["up", "up", "j"], 49),
        (["k", "k", "k", "down"], 48),
        (["pageup"], 40),
        (["pageup", "pageup", "pagedown"], 40),
        (["g"], 1),
        (["home", "j"], 2),
        (["g", "G"], 50),
        (["g", "end"], 50),
    ],
)
async def test_keys_move_the_cursor(keys: list[str], seq: int) -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        await pilot.press(*keys)
        assert feed.selected_row == row(seq)
        assert next(line for line in lines(feed) if "▌" in line).endswith(f"order {seq}")


async def test_the_wheel_holds_where_the_reader_scrolled_to() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        feed.scroll_to(y=10, animate=False)
        await pilot.pause()
        before = lines(feed)
        assert (feed.held, texts(feed)[1]) == (True, "order 11")
        await add(pilot, feed, rows(51, 90))
        assert lines(feed) == before
        assert feed.scroll_y == 10


async def test_another_size_of_the_terminal_neither_holds_nor_loses_the_place() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        for height in (20, 6, 30, 12):
            await pilot.resize_terminal(100, height)
            assert (feed.held, texts(feed)[-1]) == (False, "order 50")
        feed.action_oldest()
        feed.action_move(20)
        for height in (20, 6, 30, 12):
            await pilot.resize_terminal(100, height)
            assert feed.selected_row == row(21)
            assert any(line.endswith("order 21") for line in lines(feed))


async def test_a_click_puts_the_cursor_there_and_a_second_one_opens() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        await pilot.click(feed, offset=(20, 3))
        assert (feed.held, feed.selected_row) == (True, row(42))
        await pilot.click(feed, offset=(20, 3), times=2)
        assert [message.row for message in heard(pilot, FeedView.Opened)] == [row(42)]


async def test_enter_opens_the_row_under_the_cursor_but_no_divider() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, [row(1), DividerRow("live")])
        await pilot.press("enter", "k", "enter")
        assert [message.row for message in heard(pilot, FeedView.Opened)] == [row(1)]


async def test_the_sideways_place_survives_following() -> None:
    feed = feed_of()
    long = [row(seq, f"{seq:>3} " + "abcdefghij" * 30) for seq in range(1, 300)]
    async with shown(feed) as pilot:
        await add(pilot, feed, long[:50])
        await pilot.press("right", "right")
        assert feed.sideways == 16
        await add(pilot, feed, long[50:])
        assert feed.sideways == 16
        assert lines(feed)[-1].split("bob")[1].strip().startswith("…defghij")
        await pilot.press("k", "G", "left")
        assert feed.sideways == 8


async def test_sideways_ends_where_the_longest_text_in_view_ends() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, [row(1, "x" * 110 + "END"), row(2)])
        await pilot.press(*["right"] * 12)
        assert lines(feed)[1].endswith("xEND")
        assert "…" in lines(feed)[1]
        await pilot.press(*["left"] * 12)
        assert feed.sideways == 0


async def test_a_filter_works_live_and_held() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        feed.filter_text = "re:0$"
        await pilot.pause()
        assert texts(feed)[1:] == [f"order {seq}" for seq in (10, 20, 30, 40, 50)]
        assert feed.matches == (5, 50)
        await add(pilot, feed, rows(51, 70))
        assert texts(feed)[-2:] == ["order 60", "order 70"]
        await pilot.press("space")
        before = lines(feed)[:8]
        await add(pilot, feed, rows(71, 100))
        assert lines(feed)[:8] == before
        assert (feed.new_count, feed.matches) == (3, (10, 100))
        feed.filter_text = '"order 9"'
        assert feed.matches == (11, 100)
        feed.filter_text = ""
        assert lines(feed)[7].endswith("order 70")


async def test_a_wrong_filter_says_why_and_changes_nothing() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        feed.filter_text = "order 5"
        before = lines(feed)
        feed.filter_text = "re:("
        assert feed.filter_error.startswith("the regex is not complete")
        assert lines(feed) == before
        feed.filter_text = '"order 4"'
        assert (feed.filter_error, feed.matches) == ("", (11, 50))


async def test_matches_are_drawn_in_reverse() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, [row(1, "unpaid, then paid")])
        feed.filter_text = "paid"
        strip = feed.render_line(1)
        marked = [part.text for part in strip if part.style is not None and part.style.reverse]
        assert marked == ["paid", "paid"]


async def test_escape_clears_the_filter_then_follows_then_is_the_screens() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        feed.filter_text = "5"
        await pilot.press("k", "escape")
        assert (feed.filter_text, feed.held) == ("", True)
        await pilot.press("escape")
        assert not feed.held


async def test_n_goes_from_match_to_match_with_the_filter_and_after_it() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        feed.filter_text = "re:0$"
        await pilot.press("N")
        assert feed.selected_row == row(40)
        await pilot.press("escape", "N")
        assert feed.selected_row == row(30)
        await pilot.press("n", "n", "n")
        assert feed.selected_row == row(50)


async def test_one_topic_can_be_shown_alone() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, [row(1), row(7, "theirs now", topic="audit"), row(2)])
        feed.topic = "audit"
        assert texts(feed)[1:] == ["theirs now"]
        feed.filter_text = "order"
        assert feed.matches == (0, 1)
        feed.topic = None
        assert feed.matches == (2, 3)


async def test_unread_rows_are_marked_until_they_have_been_seen_for_a_second() -> None:
    clock = Clock()
    feed = feed_of(clock=clock)
    async with shown(feed) as pilot:
        await add(pilot, feed, [one._replace(unread=True) for one in rows(1, 3)])
        assert [line[0] for line in lines(feed)[1:4]] == ["┃", "┃", "┃"]
        feed._look()
        clock.now = 1.0
        feed._look()
        await pilot.pause()
        assert [line[0] for line in lines(feed)[1:4]] == [" ", " ", " "]
        assert [m.positions for m in heard(pilot, FeedView.ReadUpTo)] == [{"orders": 3}]


async def test_nothing_is_read_while_nobody_looks_at_the_feed() -> None:
    clock = Clock()
    feed, other = feed_of(clock=clock), feed_of()
    async with shown(feed, other, size=(100, 24)) as pilot:
        await add(pilot, feed, rows(1, 3))
        other.focus()
        await pilot.pause()
        for clock.now in range(5):
            feed._look()
        await pilot.pause()
        assert heard(pilot, FeedView.ReadUpTo) == []


async def test_what_a_filter_hides_is_not_read() -> None:
    clock = Clock()
    feed = feed_of(clock=clock)
    async with shown(feed) as pilot:
        feed.filter_text = "re:[1245]$"
        await add(pilot, feed, rows(1, 5))
        feed._look()
        clock.now = 1.0
        feed._look()
        await pilot.pause()
        assert [m.positions for m in heard(pilot, FeedView.ReadUpTo)] == [{"orders": 2}]
        feed.filter_text = ""
        feed._look()
        clock.now = 2.0
        feed._look()
        await pilot.pause()
        assert heard(pilot, FeedView.ReadUpTo)[-1].positions == {"orders": 5}


async def test_opening_a_row_reads_it_and_everything_can_be_marked_read() -> None:
    feed = feed_of(clock=Clock())
    async with shown(feed) as pilot:
        await add(pilot, feed, [one._replace(unread=True) for one in rows(1, 3)])
        await pilot.press("g", "enter")
        assert [m.positions for m in heard(pilot, FeedView.ReadUpTo)] == [{"orders": 1}]
        feed.mark_read()
        await pilot.pause()
        assert heard(pilot, FeedView.ReadUpTo)[-1].positions == {"orders": 3}
        assert not any("┃" in line for line in lines(feed))


async def test_the_screen_hears_of_holding_and_of_what_is_new() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        await pilot.press("k")
        await add(pilot, feed, rows(51, 53))
        await pilot.press("G")
        told = [(m.held, m.new_count) for m in heard(pilot, FeedView.HoldChanged)]
        assert told == [(True, 0), (True, 3), (False, 0)]
        state = heard(pilot, FeedView.Changed)[-1].state
        assert state == FeedState(place=(53, 53), matches=(53, 53))
        assert feed.place == (53, 53)


async def test_the_screen_hears_that_a_filter_is_wanted() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await pilot.press("slash")
        assert len(heard(pilot, FeedView.FilterWanted)) == 1


async def test_an_empty_feed_says_why_it_is_empty() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        feed.placeholder = "Waiting for the first message on orders."
        assert texts(feed)[1:] == ["on orders."]
        await add(pilot, feed, rows(1, 5))
        feed.filter_text = "nothing"
        assert lines(feed)[4].strip() == "No messages match nothing. Esc clears."


WIDE = """\
   time        seq from             message
   12:00:07      7 bob              {"order":7}
 ── live since 12:10:02 ──────────────────────────────────────────────────────────────────────────
┃  12:00:08      8 a.very.long@…    plain text also fine, long lines are cut because the feed show…
 ▌ 12:00:09 123456 日本語@…         日本語のメッセージ"""

NARROW = """\
  12:00:07 bob       {"order":7}
 ── live since 12:10:02 ──────────────────────────────
┃ 12:00:08 a.very.l… plain text also fine, long lines …
 ▌12:00:09 日本語@…  日本語のメッセージ"""

ASCII_TOPIC = """\
   time        seq topic            from             message
   12:00:07      7 orders           bob              {"order":7}
 -- live since 12:10:02 --------------------------------------------------------------------------
|  12:00:08      8 orders           a.very.long@~    plain text also fine, long lines are cut beca~
 > 12:00:09 123456 orders           日本語@~         日本語のメッセージ"""

SAMPLE: list[Row] = [
    row(7, '{"order":7}'),
    DividerRow("live since 12:10:02"),
    row(
        8,
        "plain text also fine, long lines are cut because the feed shows one line a message",
        publisher="a.very.long@example.com",
        unread=True,
    ),
    row(9, "日本語のメッセージ", publisher="日本語@example.com")._replace(seq=123456),
]


@pytest.mark.parametrize(
    ("size", "options", "picture"),
    [
        ((100, 8), {}, WIDE),
        ((56, 8), {}, NARROW),
        ((100, 8), {"ascii": True, "show_topic": True}, ASCII_TOPIC),
    ],
)
async def test_the_columns_are_those_that_there_is_room_for(
    size: tuple[int, int], options: dict[str, bool], picture: str
) -> None:
    feed = feed_of(**options)
    async with shown(feed, size=size) as pilot:
        await add(pilot, feed, SAMPLE)
        seen = [line for line in lines(feed) if line]
        assert seen == picture.split("\n")


async def test_a_heading_and_seqs_need_a_wide_screen() -> None:
    feed = feed_of()
    async with shown(feed, size=(95, 8)) as pilot:
        await add(pilot, feed, rows(1, 1))
        assert lines(feed)[0] == " ▌12:00:01 bob             order 1"
        await pilot.resize_terminal(96, 8)
        assert lines(feed)[1].split() == ["▌", "12:00:01", "1", "bob", "order", "1"]


@pytest.mark.parametrize("width", [1, 2, 5, 9, 20, 31, 45, 61])
async def test_no_width_is_too_small(width: int) -> None:
    feed = feed_of(show_topic=True)
    async with shown(feed, size=(width, 6)) as pilot:
        await add(pilot, feed, SAMPLE)
        feed.filter_text = "nothing matches"
        await pilot.pause()
        feed.filter_text = ""
        assert all(feed.render_line(y).cell_length >= 1 for y in range(6))


async def test_drawn_lines_are_drawn_again_only_when_they_change() -> None:
    feed = feed_of()
    async with shown(feed) as pilot:
        await add(pilot, feed, rows(1, 50))
        await pilot.press("k", "k")
        first = [feed.render_line(y) for y in range(12)]
        await add(pilot, feed, rows(51, 60))
        assert all(feed.render_line(y) is first[y] for y in range(1, 10))
        pilot.app.theme = "textual-light"
        await pilot.pause()
        assert feed.render_line(3) is not first[3]


async def test_the_host_needs_no_more_than_the_style_sheet() -> None:
    async with Host(feed_of()).run_test() as pilot:
        assert pilot.app.screen.query_one(FeedView).pending == 0
