"""The panes next to each other: topics, messages, and one message in full."""

from textual.containers import Horizontal
from textual.widget import Widget

from app.feed import MessageRow
from app.screens.topic_list import TopicList
from app.subscriber.detail_pane import DetailPane
from app.subscriber.feed_pane import FeedPane

TOPICS, MESSAGES, DETAIL = range(3)


class Panes(Horizontal):
    """The detail takes the place of the topics, and where it is narrow that of the messages.

    Where there is room for one pane alone, it is the one that was gone to last.
    """

    def __init__(self, topics: TopicList, messages: FeedPane, detail: DetailPane) -> None:
        super().__init__(topics, messages, detail)
        self._topics = topics
        self._messages = messages
        self._detail = detail
        self._held_for_detail = False

    @property
    def detail_row(self) -> MessageRow | None:
        """The message that is shown in full, if one is."""
        return self._detail.row if self.has_class("-detail") else None

    def open_detail(self, row: MessageRow) -> None:
        """Show `row` in full; the feed is held there, so that its neighbours are found."""
        feed = self._messages.feed
        if not self.has_class("-detail"):
            self._held_for_detail = not feed.held
        feed.hold()
        self._detail.show_row(row)
        self.add_class("-detail")
        self._detail.focus_body()

    def close_detail(self) -> None:
        """Show the messages again, which go on if they did before."""
        if self.has_class("-detail"):
            self.remove_class("-detail")
            self._messages.feed.focus()
            if self._held_for_detail:
                self._messages.feed.follow()

    def open_neighbour(self, by: int) -> None:
        """Open the next message of the feed, or the one before; dividers are passed over."""
        feed = self._messages.feed
        while True:
            before = feed.selected_row
            feed.action_move(by)
            if feed.selected_row is before:
                return
            if isinstance(feed.selected_row, MessageRow):
                feed.action_open()
                return

    def go_to(self, place: int) -> None:
        """Put the keyboard on a pane."""
        if place == DETAIL:
            if self.has_class("-detail"):
                self._detail.focus_body()
            else:
                self._messages.feed.action_open()
            return
        if self.has_class("-detail") and (place == TOPICS or not self._side_by_side):
            self.close_detail()
        self.set_class(place == TOPICS, "-at-topics")
        if place == TOPICS:
            self._topics.focus_list()
        else:
            self._messages.feed.focus()

    def step(self, by: int) -> None:
        """Put the keyboard on the next of the panes that are shown, or could be."""
        shown = [MESSAGES, DETAIL] if self.has_class("-detail") else [TOPICS, MESSAGES]
        here = next((place for place in shown if self._pane(place).has_focus_within), shown[0])
        self.go_to(shown[(shown.index(here) + by) % len(shown)])

    @property
    def _side_by_side(self) -> bool:
        return self.screen.has_class("-wide")

    def _pane(self, place: int) -> Widget:
        panes: tuple[Widget, ...] = (self._topics, self._messages, self._detail)
        return panes[place]
