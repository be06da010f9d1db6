"""The application `pubsub subscriber`."""

from collections.abc import Callable, Iterable

from textual.app import App, SystemCommand
from textual.screen import Screen

from app.screens.app import PubSubApp
from app.screens.session import MakeClient
from app.subscriber.commands import TopicCommands
from app.subscriber.screen import SubscriberScreen
from clients import State, Subscriber


class SubscriberApp(PubSubApp):
    """Signs in and shows the subscriber's screen."""

    kind = "subscriber"
    COMMANDS = App.COMMANDS | {TopicCommands}

    def make_client(self) -> MakeClient:
        def make(
            connect: str, email: str, create: bool, on_state: Callable[[State], None]
        ) -> Subscriber:
            return Subscriber(connect, email, create=create, on_state=on_state, auto_confirm=False)

        return make

    def main_screen(self) -> Screen[None]:
        assert isinstance(self.session.client, Subscriber)
        return SubscriberScreen(self.session, self.session.client, keep=self._options.keep)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        if isinstance(screen, SubscriberScreen):
            yield from screen.commands()
