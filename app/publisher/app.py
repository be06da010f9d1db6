"""The application `pubsub publisher`."""

from textual.screen import Screen

from app.publisher.screen import PublisherScreen
from app.screens.app import PubSubApp
from app.screens.session import MakeClient
from clients import Publisher
from clients.options import Options as ClientOptions


class PublisherApp(PubSubApp):
    """Signs in and shows the publisher's screen."""

    kind = "publisher"

    def make_client(self) -> MakeClient:
        def make(connect: str, email: str, options: ClientOptions) -> Publisher:
            return Publisher(connect, email, **options)

        return make

    def main_screen(self) -> Screen[None]:
        assert isinstance(self.session.client, Publisher)
        return PublisherScreen(self.session, self.session.client)
