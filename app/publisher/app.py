"""The application `pubsub publisher`."""

from textual import work
from textual.screen import Screen

from app.publisher.clock import Clock
from app.publisher.screen import PublisherScreen
from app.publisher.unsent_screen import UnsentScreen
from app.screens.app import Options, PubSubApp
from app.screens.session import MakeClient
from clients import Publisher
from clients.options import Options as ClientOptions


class PublisherApp(PubSubApp):
    """Signs in and shows the publisher's screen; asks before unsent messages are left."""

    kind = "publisher"

    def __init__(self, options: Options, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        super().__init__(options)

    def make_client(self) -> MakeClient:
        def make(connect: str, email: str, options: ClientOptions) -> Publisher:
            return Publisher(connect, email, **options)

        return make

    def main_screen(self) -> Screen[None]:
        assert isinstance(self.session.client, Publisher)
        return PublisherScreen(self.session, self.session.client, self._clock)

    async def action_quit(self) -> None:
        self._leave("quit")

    def action_switch_account(self) -> None:
        self._leave("switch")

    @work(group="leave", exclusive=True)
    async def _leave(self, how: str) -> None:
        """Quit, or switch the account, unless messages are unsent and the person stays."""
        main = next((one for one in self.screen_stack if isinstance(one, PublisherScreen)), None)
        if isinstance(self.screen, UnsentScreen):
            return
        if main is not None and main.publishing.unsent:
            words = "quit" if how == "quit" else "switch the account"
            if not await self.push_screen_wait(UnsentScreen(main.publishing, words)):
                return
        if how == "quit":
            self.exit()
        else:
            super().action_switch_account()
