"""The application around the publisher's and the subscriber's screens."""

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import Screen

from app.access import Access
from app.places import log_file
from app.screens.base import BaseApp
from app.screens.session import MakeClient, Session
from app.screens.sign_in import SignInScreen


@dataclass(frozen=True)
class Options:
    """What the command line says, the same for every screen."""

    access: Access = field(default_factory=Access)
    ascii_only: bool = False
    data_dir: Path | None = None  # of a broker that is started here
    config_dir: Path | None = None
    keep: int = 50_000  # messages that a feed holds


class PubSubApp(BaseApp):
    """Signs in and shows the main screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "switch_account", "Switch account", id="app.switch", show=False),
    ]

    def __init__(self, options: Options) -> None:
        super().__init__(ascii_only=options.ascii_only, config_dir=options.config_dir)
        self._options = options
        self.session = Session(
            self.kind,
            self.make_client(),
            access=options.access,
            memory=self.memory,
            symbols=self.symbols,
            data_dir=options.data_dir,
        )

    # what each kind of screen says for itself

    @abstractmethod
    def make_client(self) -> MakeClient:
        """Return what makes the client."""

    @abstractmethod
    def main_screen(self) -> Screen[None]:
        """Return the screen of the session that has just begun."""

    # beginning and ending

    def on_mount(self) -> None:
        self._sign_in(self._options.access.email)

    @work(group="session", exclusive=True)
    async def _sign_in(self, email: str | None) -> None:
        """Begin the session of `email`, asking where that is not said or does not work."""
        first = self.session.client is None
        screen = SignInScreen(
            self.session, email or self.session.remembered_email, can_leave=not first
        )
        if email is not None:
            screen.call_after_refresh(screen.action_submit)
        if await self.push_screen_wait(screen):
            while len(self.screen_stack) > 1:
                await self.pop_screen()
            await self.push_screen(self.main_screen())

    def action_switch_account(self) -> None:
        if not isinstance(self.screen, SignInScreen):
            self._sign_in(None)

    async def on_unmount(self) -> None:
        await self.session.end()

    def action_about(self) -> None:
        from importlib.metadata import version

        limits = self.session.client.limits if self.session.client else None
        self.say(
            f"pubsub-suite {version('pubsub-suite')}, textual {version('textual')};"
            f" server {self.session.connect}; log {log_file()}"
            + (f"; messages up to {limits.message_bytes:,} bytes" if limits else "")
        )

    def now(self) -> float:
        return self.session.now()
