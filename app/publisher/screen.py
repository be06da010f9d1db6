"""The main screen of a publisher."""

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import DescendantFocus
from textual.screen import Screen
from textual.widgets import Footer, Static

from app.publisher.clock import Clock
from app.publisher.composer import Composer
from app.publisher.drafts import Drafts
from app.publisher.editor import EditorFailed, edit
from app.publisher.file_messages import Mode, save_failures
from app.publisher.file_screen import FileScreen
from app.publisher.file_sending import FileSending, Progress
from app.publisher.new_topic import NewTopicScreen
from app.publisher.publishing import NotSent, Publishing
from app.publisher.recall import Recall
from app.publisher.recall_screen import RecallScreen
from app.publisher.sent import Mark, Row
from app.publisher.sent_pane import SentPane, SentView
from app.publisher.topic_row import drawn
from app.publisher.verdict import Format
from app.screens.session import Session
from app.screens.status_bar import StatusBar
from app.screens.topic_list import TopicList, TopicRow
from app.screens.words import count_of
from clients import Phase, Publisher, SessionEnded, State
from clients.values import TopicState

TOPICS_EVERY_S = 2.0
CONFIRMATIONS_EVERY_S = 1.0
DRAW_EVERY_S = 0.1
SAVE_EVERY_S = 1.0
PANES = ("topics", "compose", "sent")


class PublisherScreen(Screen[None]):
    """Topics to the left, the message beside them, and below what was sent.

    In a narrow terminal one pane is shown at a time, the one with the focus.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new_topic", "New topic", id="publisher.new_topic"),
        Binding("ctrl+r", "recall", "Recall", id="publisher.recall"),
        Binding("ctrl+o", "file", "File", id="publisher.file"),
        Binding("tab", "pane(1)", "Next pane", id="publisher.next"),
        Binding("shift+tab", "pane(-1)", "Previous pane", show=False, id="publisher.previous"),
        Binding("1", "go('topics')", "Topics", show=False),
        Binding("2", "go('compose')", "Message", show=False),
        Binding("3", "go('sent')", "Sent", show=False),
        Binding("escape", "go('topics')", "Topics", show=False),
        Binding("ctrl+g", "edit", "Your editor", show=False, id="publisher.edit"),
        Binding("f5,r", "retry", "Retry now", id="publisher.retry"),
        Binding("p", "pause", "Pause or resume the file", show=False, id="publisher.pause"),
        Binding("c", "cancel", "Cancel the file", show=False, id="publisher.cancel"),
        Binding("ctrl+e", "save_failures", "Save what failed", show=False, id="publisher.save"),
        Binding("q", "app.quit", "Quit", show=False),
    ]
    AUTO_FOCUS = "#topic-options"

    def __init__(self, session: Session, client: Publisher, clock: Clock) -> None:
        super().__init__()
        self._session = session
        self._client = client
        self._clock = clock
        self._email = session.email
        self._drafts = Drafts(session.memory, session.email)
        self._recall = Recall(session.memory, session.email)
        self.publishing = Publishing(client, self._recall, clock)
        self._topics: list[TopicState] = []
        self._last_path = ""

    def compose(self) -> ComposeResult:
        symbols = self._session.symbols
        yield StatusBar("pubsub publisher", symbols)
        yield Static(id="pane-bar", markup=False)
        with Horizontal(id="upper"):
            yield TopicList(
                lambda row, width: drawn(row, width, symbols),
                nothing="No topics yet. n makes one.",
                not_found="Enter makes it, Esc clears.",
            )
            yield Composer(self._drafts, self._recall, symbols)
        yield SentPane(self.publishing.sent, self._clock, symbols)
        yield Footer(show_command_palette=False, compact=True)

    async def on_mount(self) -> None:
        self._at("topics")
        self._bar.who = f"{self._email} at {self._session.connect}"
        self._session.watch(self, self._show_state)
        self.set_interval(DRAW_EVERY_S, self._show_changes)
        self.set_interval(SAVE_EVERY_S, self._save)
        self._ask_for_topics()
        self._ask_for_confirmations()

    async def on_unmount(self) -> None:
        self._save()
        await self.publishing.stop()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        file = self.publishing.file
        match action:
            case "edit":
                return not self.app.is_web
            case "retry":
                return self._session.state.phase is Phase.RECONNECTING
            case "new_topic":
                return self._session.state.phase is not Phase.RECONNECTING
            case "pause" | "cancel":
                return file is not None and not file.over
            case "save_failures":
                return file is not None and file.over and bool(file.failures)
        return True

    # panes

    def action_pane(self, by: int) -> None:
        """Go to the next pane, or the one before."""
        now = next((place for place, name in enumerate(PANES) if self._is_in(name)), 0)
        self.action_go(PANES[(now + by) % len(PANES)])

    def action_go(self, pane: str) -> None:
        self._at(pane)  # a pane has to be shown before it can have the focus
        if pane == "topics":
            self.query_one(TopicList).focus_list()
        elif pane == "compose":
            self._composer.area.focus()
        else:
            self.query_one(SentView).focus()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        for pane in PANES:
            if self._is_in(pane):
                self._at(pane)

    def _is_in(self, pane: str) -> bool:
        return self.focused is not None and self.query_one(f"#{pane}") in self.focused.ancestors

    def _at(self, pane: str) -> None:
        titles = {"topics": "Topics", "compose": "Message", "sent": "Sent"}
        shown = []
        for number, name in enumerate(PANES, 1):
            self.set_class(name == pane, f"-at-{name}")
            word = f"{number} {titles[name]}"
            shown.append(f"[{word}]" if name == pane else f" {word} ")
        self.query_one("#pane-bar", Static).update(Content(" ".join(shown)))

    # topics

    @on(TopicList.Chosen)
    def _topic_chosen(self, event: TopicList.Chosen) -> None:
        self._choose(event.name)
        self.action_go("compose")

    def _choose(self, topic: str) -> None:
        self._composer.choose(topic)
        self._session.memory.keep(f"publisher.topic.{self._email}", topic)
        self._show_topics()

    def action_new_topic(self) -> None:
        self.app.push_screen(
            NewTopicScreen(self._client, self._session.symbols), self._topic_is_made
        )

    @on(TopicList.NotFound)
    def _topic_not_found(self, event: TopicList.NotFound) -> None:
        self.app.push_screen(
            NewTopicScreen(self._client, self._session.symbols, event.name), self._topic_is_made
        )

    def _topic_is_made(self, name: str | None) -> None:
        if name is None:
            return
        self._say(f"topic {name} is there")
        self._choose(name)
        self.query_one(TopicList).clear_filter()
        self._ask_for_topics()
        self.action_go("compose")

    @work(group="topics", exclusive=True, exit_on_error=False)
    async def _ask_for_topics(self) -> None:
        try:
            while True:
                self._topics = await self.publishing.topics()
                self._show_topics()
                self._resume_topic()
                await asyncio.sleep(TOPICS_EVERY_S)
        except SessionEnded:
            return  # the status bar says why

    def _resume_topic(self) -> None:
        """Write on to the topic of the last time, the first time the topics are known."""
        if self._composer.topic:
            return
        last = self._session.memory.text(f"publisher.topic.{self._email}")
        if last in [one.topic_name for one in self._topics]:
            self._choose(last)
            self.query_one(TopicList).select(last)

    def _show_topics(self) -> None:
        chosen = self._composer.topic
        names = [one.topic_name for one in self._topics]
        rows = [
            TopicRow(
                one.topic_name,
                subscribers=one.subscribers,
                head=one.messages,
                chosen=one.topic_name == chosen,
            )
            for one in self._topics
        ]
        if chosen and chosen not in names:
            rows.append(TopicRow(chosen, chosen=True))
        self.query_one(TopicList).show(rows)

    # sending

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        if self._publish(event.topic, event.text):
            self._composer.sent()

    def _publish(self, topic: str, text: str) -> bool:
        try:
            self.publishing.publish(topic, text)
        except NotSent as error:
            self._composer.tell(str(error))
            return False
        self._show_changes()
        return True

    @on(SentView.Chosen)
    def _load_sent(self, event: SentView.Chosen) -> None:
        row = event.row
        if row.of_file:
            self._tell_of_file(row)
            return
        if row.mark is Mark.FAILED:
            self._choose(row.topic)
            self._say(row.why, failed=True)  # in full, for which a row seldom has room
        self.action_go("compose")
        self._composer.load(row.text)

    def _tell_of_file(self, row: Row) -> None:
        file = self.publishing.file_of(row)
        failures = file.failures[:3] if file is not None else []
        told = [f"{piece.number}: {piece.fault}" for piece in failures]
        self._say("; ".join([row.why, *told]))

    @work(group="recall", exclusive=True)
    async def action_recall(self) -> None:
        chosen = await self.app.push_screen_wait(RecallScreen(self._recall))
        if chosen is None:
            return
        if chosen.send:
            self._publish(chosen.earlier.topic, chosen.earlier.text)
            return
        if not self._composer.topic:
            self._choose(chosen.earlier.topic)
        self.action_go("compose")
        self._composer.load(chosen.earlier.text)

    @work(group="editor", exclusive=True)
    async def action_edit(self) -> None:
        composer = self._composer
        suffix = ".json" if composer.format is Format.JSON else ".txt"
        before = text = composer.area.text
        fault = ""
        # Nothing may be drawn over the editor; the connection goes on behind it.
        try:
            with self.app.batch_update(), self.app.suspend():
                try:
                    text = await edit(before, suffix)
                except EditorFailed as error:  # leaving `suspend` with it would not end it
                    fault = str(error)
        except SuspendNotSupported:
            fault = "this terminal cannot be left to an editor"
        self.refresh(layout=True)
        if text != before:
            composer.area.put(text)
        composer.tell(fault)

    # files

    @work(group="file", exclusive=True)
    async def action_file(self) -> None:
        topic = self._composer.topic
        if not topic:
            self._composer.tell("no topic is chosen: Enter on one in Topics chooses it")
            return
        limit = self._client.limits.message_bytes if self._client.limits else 0
        asking = FileScreen(topic, limit, self._session.symbols, self._last_path)
        order = await self.app.push_screen_wait(asking)
        if order is None:
            return
        self._last_path = str(order.path)
        try:
            self.publishing.send_file(order)
        except NotSent as error:
            self._say(str(error), failed=True)
            return
        self.action_go("sent")

    def action_pause(self) -> None:
        file = self.publishing.file
        if file is not None:
            file.resume() if file.progress is Progress.PAUSED else file.pause()

    def action_cancel(self) -> None:
        if self.publishing.file is not None:
            self.publishing.file.cancel()

    @work(group="save", exclusive=True)
    async def action_save_failures(self) -> None:
        file = self.publishing.file
        if file is None:
            return
        kept = [piece.data for piece in file.failures if piece.data]
        path, mode = file.order.path, file.order.mode
        try:
            place = await asyncio.to_thread(save_failures, path, Mode(mode), kept)
        except OSError as error:
            self._say(f"it cannot be saved: {error}", failed=True)
            return
        left_out = file.failed - len(kept)
        more = f"; {left_out:,} more are not in it" if left_out else ""
        self._say(f"{count_of(len(kept), 'message')} saved in {place}{more}")

    # what is shown

    @property
    def _bar(self) -> StatusBar:
        return self.query_one(StatusBar)

    @property
    def _composer(self) -> Composer:
        return self.query_one(Composer)

    def _show_changes(self) -> None:
        sent, file = self.publishing.sent, self.publishing.file
        counters = f"{self._client.waiting:,} waiting  {sent.stored:,} stored"
        self._bar.counters = f"{counters}  {sent.failed:,} failed"
        self.query_one(SentPane).show_changes(_hint(file))

    def _show_state(self, state: State) -> None:
        self._bar.state = state
        limits = self._client.limits
        if limits is not None:
            self._composer.limit = limits.message_bytes
        if state.phase is Phase.LIVE:
            self.publishing.reconnected()
        if state.phase in (Phase.REFUSED, Phase.CLOSED):
            self._composer.tell(f"the session is over: {state.why}. Ctrl+T signs in again")
        self.refresh_bindings()

    def action_retry(self) -> None:
        self._client.retry_now()

    @work(group="confirmations", exclusive=True, exit_on_error=False)
    async def _ask_for_confirmations(self) -> None:
        try:
            while True:
                await asyncio.sleep(CONFIRMATIONS_EVERY_S)
                await self.publishing.ask_for_confirmations()
        except SessionEnded:
            return  # the status bar says why

    def _save(self) -> None:
        self._drafts.save()
        self._recall.save()

    def _say(self, text: str, *, failed: bool = False) -> None:
        self.app.say(text, failed=failed)  # type: ignore[attr-defined]  # of PubSubApp


def _hint(file: FileSending | None) -> str:
    """Return what can be pressed about the newest file."""
    if file is None:
        return ""
    if not file.over:
        return f"{'p resumes' if file.progress is Progress.PAUSED else 'p pauses'}   c cancels"
    return "Ctrl+E saves what failed" if file.failures else ""
