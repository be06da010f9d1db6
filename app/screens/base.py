"""What the applications have in common: help, palette, themes, toasts, the least size."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import Screen

from app.screens.help import HelpScreen, Key, keys_of
from app.screens.memory import Memory, default_folder
from app.screens.symbols import symbols
from app.screens.themes import DARK, LIGHT
from app.screens.too_small import TooSmall, too_small
from app.text import harmless

MOST_TOASTS = 3
STYLES = Path(__file__).parent.parent / "styles"


class BaseApp(App[None]):
    """An application whose keys are all found in its help and its palette.

    `kind` names it, in the help and in what is remembered.
    """

    TITLE = "pubsub"
    CSS_PATH = sorted(STYLES.glob("*.tcss"))
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (72, "-narrow"), (96, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (28, "-tall")]
    NOTIFICATION_TIMEOUT = 3
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True, show=False),
        Binding("f1,question_mark", "keys", "Help", id="app.help", key_display="?"),
        Binding("colon", "command_palette", "Palette", id="app.palette", show=False),
        Binding("f12", "about", "Debug", id="app.about", show=False),
    ]

    kind: ClassVar[str]

    def __init__(self, *, ascii_only: bool, config_dir: Path | None) -> None:
        no_color = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if no_color else None)
        self.ascii_only = ascii_only
        self.memory = Memory((config_dir or default_folder()) / "screens.json")
        self.symbols = symbols(ascii_only=ascii_only)
        self._choose_theme(no_color=no_color)

    def on_mount(self) -> None:
        self.set_class(self.ascii_only, "-ascii")
        self.theme_changed_signal.subscribe(self, lambda one: self.memory.keep("theme", one.name))

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

    def say(self, text: str, *, failed: bool = False) -> None:
        """Show `text` for a moment in a corner. Whatever is in it is shown as it is.

        The same text is shown once, and at most a few are shown at a time.
        """
        shown = [one.message for one in self._notifications]
        if harmless(text) in shown:
            return
        if len(shown) >= MOST_TOASTS:
            self.clear_notifications()
        self.notify(
            harmless(text),
            severity="error" if failed else "information",
            timeout=self.NOTIFICATION_TIMEOUT + (5 if failed else 0),
            markup=False,
        )

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
