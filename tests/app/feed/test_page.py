"""What part of the feed is on the screen, whatever comes, leaves or is filtered."""

from hypothesis import given
from hypothesis import strategies as st

from app.feed.filter import parse
from app.feed.page import Page
from app.feed.ring import Ring
from app.feed.rows import DividerRow, MessageRow
from tests.app.feed.host import row, rows

HEIGHT = 5


class Desk:
    """A page of five lines over a ring, and the number of the next message."""

    def __init__(self, capacity: int = 100, count: int = 0) -> None:
        self.ring = Ring(capacity)
        self.page = Page(self.ring)
        self.page.resize(HEIGHT)
        self.come(count)

    def come(self, count: int) -> None:
        self.ring.append_many(rows(self.ring.end + 1, self.ring.end + count))
        self.look_through()

    def filter(self, text: str) -> None:
        self.page.lines.use(None, parse(text) if text else None)
        self.look_through()

    def look_through(self) -> None:
        while self.page.lines.scan(7):
            pass
        self.page.settle()

    @property
    def seen(self) -> list[int]:
        """The seqs on the screen."""
        there = [self.ring.row(number) for number in self.page.visible()]
        return [one.seq for one in there if isinstance(one, MessageRow)]

    @property
    def cursor(self) -> int:
        selected = self.page.selected
        assert isinstance(selected, MessageRow)
        return selected.seq


def test_a_page_follows_the_newest_line() -> None:
    desk = Desk(count=3)
    assert (desk.seen, desk.cursor) == ([1, 2, 3], 3)
    desk.come(9)
    assert (desk.seen, desk.cursor) == ([8, 9, 10, 11, 12], 12)


def test_moving_up_holds_and_moving_down_does_not_let_go() -> None:
    desk = Desk(count=20)
    desk.page.move(1)
    assert not desk.page.held
    desk.page.move(-1)
    assert (desk.page.held, desk.cursor, desk.seen) == (True, 19, [16, 17, 18, 19, 20])
    desk.page.move(-4)
    assert (desk.cursor, desk.seen) == (15, [15, 16, 17, 18, 19])
    desk.page.move(99)
    assert (desk.page.held, desk.cursor, desk.seen[-1]) == (True, 20, 20)


def test_a_held_page_counts_what_comes_and_follow_forgets_it() -> None:
    desk = Desk(count=20)
    desk.page.hold()
    desk.come(7)
    desk.ring.append_many([DividerRow("reconnected")])
    assert desk.page.new_count == 7
    desk.page.follow()
    assert (desk.page.new_count, desk.page.held) == (0, False)


def test_a_held_page_stays_until_its_rows_leave_the_ring() -> None:
    desk = Desk(capacity=20, count=20)
    desk.page.go_to(10)
    before = desk.seen
    for _ in range(6):
        desk.come(1)
        assert desk.seen == before
        assert desk.cursor == 11
    assert desk.page.notice == 1
    desk.come(14)  # rows 21 to 40 are left
    assert (desk.seen, desk.cursor) == ([21, 22, 23, 24], 21)  # under the notice


def test_the_oldest_row_is_shown_with_the_notice_above_it() -> None:
    desk = Desk(capacity=20, count=30)
    desk.page.go_to(0)
    assert (desk.page.top, desk.seen, desk.cursor) == (0, [11, 12, 13, 14], 11)


def test_a_filter_keeps_the_cursor_on_its_row_and_in_its_place() -> None:
    desk = Desk(count=60)
    desk.page.go_to(27)
    desk.page.move(2)
    assert (desk.cursor, desk.seen) == (30, [28, 29, 30, 31, 32])
    desk.filter("0")
    assert (desk.cursor, desk.seen) == (30, [10, 20, 30, 40, 50])
    desk.filter("")
    assert (desk.cursor, desk.seen) == (30, [28, 29, 30, 31, 32])


def test_a_filter_that_hides_the_cursors_row_goes_to_the_next_and_comes_back() -> None:
    desk = Desk(count=60)
    desk.page.go_to(24)  # seq 25
    before = desk.seen
    desk.filter("0")
    assert desk.cursor == 30
    desk.filter("nothing")
    assert (desk.page.selected, desk.seen) == (None, [])
    desk.filter("")
    assert (desk.cursor, desk.seen) == (25, before)


def test_a_filter_works_on_what_comes_later_held_or_not() -> None:
    desk = Desk(count=60)
    desk.filter("0")
    desk.come(40)
    assert desk.seen == [60, 70, 80, 90, 100]
    desk.page.hold()
    desk.come(20)
    assert (desk.seen, desk.page.new_count) == ([60, 70, 80, 90, 100], 11)


def test_a_cursor_scrolled_out_of_sight_moves_from_where_the_reader_is() -> None:
    desk = Desk(count=60)
    desk.page.scroll(10)
    assert (desk.page.held, desk.seen, desk.cursor) == (True, [11, 12, 13, 14, 15], 60)
    desk.come(5)
    assert desk.seen == [11, 12, 13, 14, 15]
    desk.page.move(-1)
    assert desk.cursor == 14


def test_only_lines_of_the_topic_are_asked_for_and_dividers_that_fit_it() -> None:
    desk = Desk()
    desk.ring.append_many(
        [
            row(1),
            DividerRow("everywhere"),
            row(1, topic="audit"),
            DividerRow("theirs", "audit"),
            DividerRow("ours", "orders"),
            row(2),
        ]
    )
    desk.page.lines.use("orders", None)
    desk.look_through()
    lines = desk.page.lines
    assert [lines.number(line) for line in range(len(lines))] == [0, 1, 4, 5]
    assert (lines.count_messages(0, 6), lines.count_unfiltered()) == (2, 2)
    desk.page.lines.use("orders", parse("seq:2"))
    desk.look_through()
    assert (lines.count_messages(0, 6), lines.count_unfiltered()) == (1, 2)


STEPS = st.one_of(
    st.tuples(st.just("come"), st.integers(0, 30)),
    st.tuples(st.just("move"), st.integers(-9, 9)),
    st.tuples(st.just("scroll"), st.integers(-3, 40)),
    st.tuples(st.just("go_to"), st.integers(-2, 40)),
    st.tuples(st.just("filter"), st.sampled_from([0, 1])),
    st.tuples(st.just("hold"), st.just(0)),
    st.tuples(st.just("follow"), st.just(0)),
    st.tuples(st.just("resize"), st.integers(0, 9)),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens_the_page_is_within_its_lines(steps: list[tuple[str, int]]) -> None:
    desk = Desk(capacity=25, count=8)
    for name, value in steps:
        if name == "come":
            desk.come(value)
        elif name == "filter":
            desk.filter("1" if value else "")
        elif name in ("hold", "follow"):
            getattr(desk.page, name)()
        else:
            getattr(desk.page, name)(value)
        desk.page.settle()
        page = desk.page
        assert 0 <= page.top <= max(0, page.length - page.height)
        assert len(page.visible()) <= page.height
        assert not len(page.lines) or page.selected is not None
        if not page.held and len(page.lines):
            assert page.cursor == len(page.lines) - 1


@given(st.lists(st.integers(1, 12), max_size=12), st.integers(0, 39), st.booleans())
def test_a_held_line_never_moves_while_its_row_is_there(
    batches: list[int], line: int, filtered: bool
) -> None:
    desk = Desk(capacity=40, count=40)
    if filtered:
        desk.filter("1")
    desk.page.go_to(line)
    before = desk.seen
    for size in batches:
        desk.come(size)
        if before[0] > desk.ring.first and desk.page.held:
            assert desk.seen == before
