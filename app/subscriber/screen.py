"""The main screen of a subscriber: topics, their messages, and one message in full."""

import logging
import shlex
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import Worker, WorkerState

from app.feed import FeedView, MessageRow
from app.record import record_of
from app.screens.app import PubSubApp
from app.screens.clipboard import copy
from app.screens.question import Question
from app.screens.session import Session
from app.screens.status_bar import StatusBar
from app.screens.topic_list import TopicList, TopicRow
from app.screens.words import count_of
from app.subscriber.detail_pane import DetailPane
from app.subscriber.drawing import ALL_SUBSCRIBED, bars, topic_line
from app.subscriber.export import ExportScreen
from app.subscriber.feed_pane import FeedPane
from app.subscriber.keys import BINDINGS
from app.subscriber.panes import MESSAGES, TOPICS, Panes
from app.subscriber.rate_row import RateRow
from app.subscriber.receiving import Receiving
from app.subscriber.subscribing import Subscribing
from app.subscriber.topics import Topic, Topics
from app.subscriber.words import counters, empty_words
from app.text import harmless
from clients import Phase, RequestRefused, SessionEnded, State, Subscriber

_logger = logging.getLogger("pubsub.screens")

SHOW_S = 0.25  # how often what counts is shown anew


class SubscriberScreen(Screen[None]):
    """Topics to the left, their messages to the right; Enter shows one in full."""

    BINDINGS: ClassVar[list[BindingType]] = BINDINGS
    AUTO_FOCUS = ""

    def __init__(self, session: Session, client: Subscriber, *, keep: int) -> None:
        super().__init__()
        self._session = session
        self._client = client
        self._topics = Topics(session.memory.texts("subscriber.muted"))
        self._zone: tzinfo | None = UTC if session.memory.text("subscriber.zone") == "utc" else None
        self._list = TopicList(self._drawn, nothing="No topics yet. A publisher makes them.")
        self._pane = FeedPane(session.symbols, keep=keep, ascii_only=session.symbols.rule.isascii())
        self._feed = self._pane.feed
        self._detail = DetailPane()
        self._receiving = Receiving(client, self._feed, self._topics, self._clock)
        self._subscribing = Subscribing(client, self._receiving, self._show)
        self._panes = Panes(self._list, self._pane, self._detail)
        self._ticked_at = 0.0

    def compose(self) -> ComposeResult:
        yield StatusBar("pubsub subscriber", self._session.symbols)
        ended = Static(id="ended", markup=False)
        ended.display = False
        yield ended
        yield self._panes
        yield RateRow(self._receiving.rates, self._session.symbols)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one(StatusBar).who = f"{self._session.email} at {self._session.connect}"
        self._feed.zone = self._detail.zone = self._zone
        self.set_class(self._session.memory.text("subscriber.rate") == "off", "-no-rate")
        self._session.watch(self, self._show_state)
        # Not at once: a pane that has no style yet would not show that it has the focus.
        self.call_after_refresh(self._panes.go_to, MESSAGES if self._client.backlog else TOPICS)
        self._ticked_at = self._session.now()
        self.set_interval(SHOW_S, self._show)
        self.set_interval(1.0, self._tick)
        self._receive()
        self._learn_topics()

    # what comes and goes

    @work(group="receive", exclusive=True, exit_on_error=False)
    async def _receive(self) -> None:
        await self._receiving.receive()

    @work(group="topics", exclusive=True, exit_on_error=False)
    async def _learn_topics(self) -> None:
        await self._receiving.learn_topics(self._show)

    @on(FeedView.Changed)
    def _go_on(self) -> None:
        self._receiving.go_on()

    @on(FeedView.ReadUpTo)
    def _confirm(self, event: FeedView.ReadUpTo) -> None:
        self._receiving.confirm(event.positions)
        self._show()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            name = event.worker.name.strip("_")
            _logger.error("%s failed", name, exc_info=event.worker.error)
            self._tell_end(f"{name} failed, which should not happen: {event.worker.error!r}")

    # how the connection stands

    def _show_state(self, state: State) -> None:
        self.query_one(StatusBar).state = state
        if state.phase is Phase.RECONNECTING:
            self._receiving.lost()
        elif state.phase is Phase.LIVE:
            self._receiving.signed_in()
        elif self._receiving.over:
            self._tell_end(f"{state.phase}: {state.why}")
        self.refresh_bindings()

    def _tell_end(self, why: str) -> None:
        """Say for good that nothing more comes, and what can be done."""
        ended = self.query_one("#ended", Static)
        ended.display = True
        rest = "What is here can still be read; what is unread comes again. Ctrl+T signs in again."
        ended.update(Content(f" {harmless(why)}. {rest}"))

    def action_retry(self) -> None:
        self._client.retry_now()

    @work(group="sign out", exclusive=True)
    async def _sign_out(self) -> None:
        await self._client.close()
        self._app.action_switch_account()

    # subscribing

    def action_subscribe(self) -> None:
        topic = self._selected
        if topic is not None:
            self.toggle_subscription(topic.name)

    def toggle_subscription(self, name: str) -> None:
        """Subscribe to what comes on `name`, or end the subscription."""
        topic = self._topics[name]
        if topic.subscribed:
            self._unsubscribe(topic)
        else:
            self._change(topic, self._subscribing.subscribe, f"subscribed to {name}")

    def action_subscribe_all(self) -> None:
        topic = self._selected
        if topic is None:
            return
        if topic.subscribed:
            self._say(f"{topic.name} is subscribed to already; s ends that first")
        else:
            told = f"subscribed to {topic.name}, from its first message on"
            self._change(topic, self._subscribing.subscribe_from_first, told)

    @work(group="unsubscribe", exclusive=True, exit_on_error=False)
    async def _unsubscribe(self, topic: Topic) -> None:
        unread = count_of(topic.unread, "unread message")
        gone = f"{topic.name} has {unread}: for this account they will be gone for good."
        question = Question("Unsubscribe?", gone, yes="unsubscribes")
        if not topic.unread or await self.app.push_screen_wait(question):
            self._change(topic, self._subscribing.unsubscribe, f"unsubscribed from {topic.name}")

    @work(group="subscriptions", exit_on_error=False)
    async def _change(
        self, topic: Topic, change: Callable[[Topic], Awaitable[None]], told: str
    ) -> None:
        if topic.wanted is not None:
            self._say(f"the broker has not answered about {topic.name} yet")
            return
        try:
            await change(topic)
        except (RequestRefused, SessionEnded) as error:
            self._app.say(f"{topic.name}: {error}", failed=True)
        else:
            self._say(told)

    def action_mute(self) -> None:
        topic = self._selected
        if topic is not None:
            muted = self._topics.mute(topic.name)
            self._session.memory.keep("subscriber.muted", self._topics.muted)
            self._say(
                f"{topic.name} {'is muted: it counts in no sum' if muted else 'counts again'}"
            )
            self._show()

    # reading

    def action_mark_read(self) -> None:
        """Take all that has come of the topic in view, or of all of them, as read."""
        if self._receiving.over:
            self._say("the session has ended; Ctrl+T signs in again")
            return
        name = self._feed.topic
        unread = self._topics[name].unread if name else sum(one.unread for one in self._topics)
        self._feed.mark_read(name)
        more = "; more is still coming" if self._feed.pending else ""
        self._say(f"{count_of(unread, 'message')} marked as read{more}")

    def action_go_to_unseen(self) -> None:
        if self._feed.go_to_unseen():
            self._feed.focus()
        else:
            self._say("everything here has been read")

    def action_change_zone(self) -> None:
        self._zone = UTC if self._zone is None else None
        self._feed.zone = self._detail.zone = self._zone
        self._session.memory.keep("subscriber.zone", "utc" if self._zone else "local")
        self._show_title()

    def _toggle_rate(self) -> None:
        self.toggle_class("-no-rate")
        self._session.memory.keep("subscriber.rate", "off" if self.has_class("-no-rate") else "on")

    # taking along

    @property
    def _message(self) -> MessageRow | None:
        """The message that a person means: the one in full, or the one under the cursor."""
        if self._panes.detail_row is not None:
            return self._panes.detail_row
        row = self._feed.selected_row
        return row if isinstance(row, MessageRow) else None

    def action_copy_text(self) -> None:
        self._copy(lambda message: message.text, "the text")

    def action_copy_record(self) -> None:
        self._copy(lambda message: record_of(message).decode(), "the message as JSON")

    def _copy(self, form: Callable[[MessageRow], str], what: str) -> None:
        message = self._message
        if message is None:
            self._say("there is no message under the cursor to copy")
        else:
            self._copy_out(form(message), what)

    @work(group="copy", exit_on_error=False)
    async def _copy_out(self, text: str, what: str) -> None:
        self._say(await copy(self.app, text, what))

    @work(group="export", exclusive=True, exit_on_error=False)
    async def action_export(self) -> None:
        """Write the message in full, or all that topic and filter let through, to a file."""
        one = self._panes.detail_row
        messages = [one] if one is not None else self._feed.messages()
        if not messages:
            self._say("there is no message here to export")
            return
        name = self._feed.topic or "messages"
        safe = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
        file = await self.app.push_screen_wait(ExportScreen(messages, f"{safe}.jsonl"))
        if file is not None:
            self._say(f"{count_of(len(messages), 'message')} written to {file.absolute()}")

    # panes

    @on(FeedView.Opened)
    def _open(self, event: FeedView.Opened) -> None:
        self._panes.open_detail(event.row)

    def action_close_detail(self) -> None:
        self._panes.close_detail()

    def action_neighbour(self, by: int) -> None:
        self._panes.open_neighbour(by)

    def action_pane(self, by: int) -> None:
        self._panes.step(by)

    def action_go_to_pane(self, place: int) -> None:
        self._panes.go_to(place)

    @on(TopicList.Highlighted)
    def _look_at(self, event: TopicList.Highlighted) -> None:
        self._show_topic(event.name)

    @on(TopicList.Chosen)
    def _go_to(self, event: TopicList.Chosen) -> None:
        self._show_topic(event.name)
        self._panes.go_to(MESSAGES)

    def go_to_topic(self, name: str) -> None:
        """Show the messages of `name`."""
        self._list.select(name)
        self._show_topic(name)
        self._panes.go_to(MESSAGES)

    def _show_topic(self, name: str) -> None:
        if (name or None) != self._feed.topic:
            self._feed.topic = name or None
            self._feed.show_topic = not name
            self._feed.follow()
        self._show_title()

    # what is shown

    def _show(self) -> None:
        """Bring everything but the feed up to date."""
        if not self.is_mounted:
            return
        if self._receiving.known:
            self._list.show(self._rows())
        self._feed.placeholder = self._empty_words()
        self._pane.show_progress(*self._receiving.progress)
        self.query_one(StatusBar).counters = self._counters()

    def _tick(self) -> None:
        now = self._session.now()
        self._receiving.rates.tick(now - self._ticked_at)
        self._ticked_at = now
        self.query_one(RateRow).refresh()

    def _rows(self) -> list[TopicRow]:
        rows = [self._row(topic) for topic in self._topics]
        everything = TopicRow("", unread=self._topics.unread)
        return [everything, *rows] if rows else []

    def _row(self, topic: Topic) -> TopicRow:
        rates = self._receiving.rates
        spark = bars(rates.moment(topic.name), rates.highest, self._session.symbols)
        return TopicRow(
            topic.name,
            subscribed=topic.shown_subscribed,
            unread=topic.unread,
            muted=topic.muted,
            spark=spark if topic.shown_subscribed and self.has_class("-wide") else "",
        )

    def _drawn(self, row: TopicRow, width: int) -> Content:
        return topic_line(row, width, self._session.symbols)

    def _counters(self) -> str:
        wide = self.has_class("-wide")
        symbols = self._session.symbols
        return counters(self._feed, self._topics, self._receiving.rates, symbols, wide=wide)

    def _show_title(self) -> None:
        zone = "  UTC" if self._zone else ""
        self._pane.show_title(f"{self._feed.topic or ALL_SUBSCRIBED}{zone}")
        self._feed.placeholder = self._empty_words()

    def _empty_words(self) -> str:
        if not self._receiving.known:
            return "Asking the broker for the topics..."
        return empty_words(self._feed.topic, self._topics)

    def topics_by_name(self) -> Iterator[tuple[str, bool]]:
        """Yield each topic's name, and whether it is subscribed to."""
        yield from ((topic.name, topic.shown_subscribed) for topic in self._topics)

    def commands(self) -> Iterator[SystemCommand]:
        """Yield what has no key."""
        yield SystemCommand("Sign out", "End the session", self._sign_out)
        yield SystemCommand("Rate row on/off", "The last minute as bars", self._toggle_rate)
        yield SystemCommand(
            "Copy the command line", "that does the same without a screen", self._copy_command
        )

    def _copy_command(self) -> None:
        name = self._feed.topic
        names = [name] if name else [one.name for one in self._topics if one.shown_subscribed]
        where = ["--connect", self._session.connect, "--email", self._session.email]
        self._copy_out(shlex.join(["pubsub", "sub", *names, *where]), "the command line")

    # small things

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        reconnecting = self._client.state.phase is Phase.RECONNECTING
        if action == "retry":
            return reconnecting
        return not (reconnecting and action in {"subscribe", "subscribe_all"})

    @property
    def _selected(self) -> Topic | None:
        """The topic under the list's cursor; a hint where that is none."""
        row = self._list.selected
        if row is None or not row.name:
            self._say("choose a topic in the list first; 1 goes there")
            return None
        return self._topics[row.name]

    @property
    def _app(self) -> PubSubApp:
        return cast(PubSubApp, self.app)

    def _say(self, text: str) -> None:
        self._app.say(text)

    def _clock(self) -> str:
        return self._now().astimezone(self._zone).strftime("%H:%M:%S")

    @staticmethod
    def _now() -> datetime:
        return datetime.now(UTC)
