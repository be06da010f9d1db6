"""The application `pubsub subscriber`."""

from textual.screen import Screen

from app.screens.app import PubSubApp
from app.screens.session import MakeClient
from app.subscriber.screen import SubscriberScreen
from clients import Subscriber
from clients.options import Options as ClientOptions


class SubscriberApp(PubSubApp):
    """Signs in and shows the subscriber's screen."""

    kind = "subscriber"

    def make_client(self) -> MakeClient:
        def make(connect: str, email: str, options: ClientOptions) -> Subscriber:
            return Subscriber(connect, email, auto_confirm=False, **options)

        return make

    def main_screen(self) -> Screen[None]:
        assert isinstance(self.session.client, Subscriber)
        return SubscriberScreen(self.session, self.session.client)
