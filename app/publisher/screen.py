"""The main screen of a publisher."""

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer

from app.screens.session import Session
from app.screens.status_bar import StatusBar
from app.screens.topic_list import TopicList, TopicRow
from app.text import harmless
from clients import Publisher, State


class PublisherScreen(Screen[None]):
    """Topics to the left."""

    AUTO_FOCUS = "#topic-options"

    def __init__(self, session: Session, client: Publisher) -> None:
        super().__init__()
        self._session = session
        self._client = client

    def compose(self) -> ComposeResult:
        yield StatusBar("pubsub publisher", self._session.symbols)
        yield TopicList(_drawn, nothing="No topics yet.")
        yield Footer(show_command_palette=False, compact=True)

    async def on_mount(self) -> None:
        bar = self.query_one(StatusBar)
        bar.who = f"{self._session.email} at {self._session.connect}"
        self._session.watch(self, self._show_state)
        topics = await self._client.topics()
        self.query_one(TopicList).show([TopicRow(one.topic_name) for one in topics])

    def _show_state(self, state: State) -> None:
        self.query_one(StatusBar).state = state


def _drawn(row: TopicRow, width: int) -> Content:
    return Content(f" {harmless(row.name)}")
