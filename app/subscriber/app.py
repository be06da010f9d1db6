"""The application `pubsub subscriber`."""

from collections.abc import Iterable

from textual.app import App, SystemCommand
from textual.screen import Screen

from app.screens.app import PubSubApp
from app.screens.session import MakeClient
from app.subscriber.commands import TopicCommands
from app.subscriber.screen import SubscriberScreen
from clients import Subscriber
from clients.options import Options as ClientOptions


class SubscriberApp(PubSubApp):
    """Signs in and shows the subscriber's screen."""

    kind = "subscriber"
    COMMANDS = App.COMMANDS | {TopicCommands}

    def make_client(self) -> MakeClient:
        def make(connect: str, email: str, options: ClientOptions) -> Subscriber:
            return Subscriber(connect, email, auto_confirm=False, **options)

        return make

    def main_screen(self) -> Screen[None]:
        assert isinstance(self.session.client, Subscriber)
        return SubscriberScreen(self.session, self.session.client, keep=self._options.keep)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        if isinstance(screen, SubscriberScreen):
            yield from screen.commands()
