"""The application around the publisher's and the subscriber's screens."""

import logging
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import Screen

from app.access import Access
from app.places import log_file
from app.screens.help import HelpScreen, Key, keys_of
from app.screens.memory import Memory, default_folder
from app.screens.session import MakeClient, Session
from app.screens.sign_in import SignInScreen
from app.screens.symbols import symbols
from app.screens.themes import DARK, LIGHT
from app.screens.too_small import TooSmall, too_small
from app.text import harmless

STYLES = Path(__file__).parent.parent / "styles"


@dataclass(frozen=True)
class Options:
    """What the command line says, the same for every screen."""

    access: Access = field(default_factory=Access)
    ascii_only: bool = False
    data_dir: Path | None = None  # of a broker that is started here
    config_dir: Path | None = None


class PubSubApp(App[None]):
    """Signs in, shows the main screen, and holds what all screens have: help, palette, themes."""

    TITLE = "pubsub"
    CSS_PATH = sorted(STYLES.glob("*.tcss"))
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (72, "-narrow"), (96, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (28, "-tall")]
    NOTIFICATION_TIMEOUT = 3
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True, show=False),
        Binding("f1,question_mark", "keys", "Help", id="app.help", key_display="?"),
        Binding("colon", "command_palette", "Palette", id="app.palette", show=False),
        Binding("ctrl+t", "switch_account", "Switch account", id="app.switch", show=False),
        Binding("f12", "about", "Debug", id="app.about", show=False),
    ]

    kind: ClassVar[str]  # "publisher" or "subscriber"

    def __init__(self, options: Options) -> None:
        no_color = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if no_color else None)
        self._options = options
        folder = options.config_dir or default_folder()
        self.memory = Memory(folder / "screens.json")
        self.symbols = symbols(ascii_only=options.ascii_only)
        self.session = Session(
            self.kind,
            self.make_client(),
            access=options.access,
            memory=self.memory,
            symbols=self.symbols,
            data_dir=options.data_dir,
        )
        self._choose_theme(no_color=no_color)

    # what each kind of screen says for itself

    @abstractmethod
    def make_client(self) -> MakeClient:
        """Return what makes the client."""

    @abstractmethod
    def main_screen(self) -> Screen[None]:
        """Return the screen of the session that has just begun."""

    # beginning and ending

    def on_mount(self) -> None:
        self.set_class(self._options.ascii_only, "-ascii")
        self.theme_changed_signal.subscribe(self, lambda one: self.memory.keep("theme", one.name))
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

    # help, palette, themes, sizes

    def action_keys(self) -> None:
        focused = self.focused
        about = getattr(focused, "border_title", None) or self.kind
        self.push_screen(HelpScreen(keys_of(self.screen), str(about)), self._run_key)

    async def _run_key(self, key: Key | None) -> None:
        if key is not None:
            await self.run_action(key.action, key.node)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from self._key_commands(screen)
        for command in super().get_system_commands(screen):
            if command.title not in ("Keys", "Screenshot"):
                yield command

    def _key_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """Everything that a key does is in the palette too, with its key."""
        for key in keys_of(screen):

            async def run(key: Key = key) -> None:
                await self.run_action(key.action, key.node)

            yield SystemCommand(key.text, f"key: {key.key}", run)

    def action_about(self) -> None:
        from importlib.metadata import version

        limits = self.session.client.limits if self.session.client else None
        self.say(
            f"pubsub-suite {version('pubsub-suite')}, textual {version('textual')};"
            f" server {self.session.connect}; log {log_file()}"
            + (f"; messages up to {limits.message_bytes:,} bytes" if limits else "")
        )

    def say(self, text: str, *, failed: bool = False) -> None:
        """Show `text` for a moment in a corner. Whatever is in it is shown as it is."""
        self.notify(
            harmless(text),
            severity="error" if failed else "information",
            timeout=8 if failed else 3,
            markup=False,
        )

    def now(self) -> float:
        return self.session.now()

    def _choose_theme(self, *, no_color: bool) -> None:
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        if no_color:
            self.theme = "ansi-dark"
            return
        wanted = self.memory.text("theme") or os.environ.get("TEXTUAL_THEME", DARK.name)
        self.theme = wanted if wanted in self.available_themes else DARK.name

    def on_resize(self, event: Resize) -> None:
        shown = isinstance(self.screen, TooSmall)
        if too_small(event.size) and not shown:
            self.push_screen(TooSmall())
        elif shown and not too_small(event.size):
            self.pop_screen()


def log_to_file() -> None:
    """Send the log to a file: the terminal belongs to the screen."""
    file = log_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    except OSError:
        handler = logging.NullHandler()  # nowhere to write; the screen works all the same
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )
