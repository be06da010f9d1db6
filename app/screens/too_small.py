"""The notice that takes the place of everything in a terminal that is too small."""

from textual.app import ComposeResult
from textual.events import Resize
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

LEAST = Size(60, 16)


def too_small(size: Size) -> bool:
    return size.width < LEAST.width or size.height < LEAST.height


class TooSmall(ModalScreen[None]):
    """Says how much room is needed; the connection goes on behind it."""

    DEFAULT_CSS = """
    TooSmall { align: center middle; }
    TooSmall Static { width: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def on_mount(self) -> None:
        self._tell(self.app.size)

    def on_resize(self, event: Resize) -> None:
        self._tell(event.size)

    def _tell(self, size: Size) -> None:
        self.query_one(Static).update(
            f"needs {LEAST.width}x{LEAST.height}, now {size.width}x{size.height}"
        )
