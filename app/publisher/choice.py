"""A choice of one among a few words, in one row."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.app import RenderResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class Choice(Widget):
    """One of `names` is chosen, by arrows or with the mouse; a star says which, not a colour."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,down,space", "step(1)", "Next", show=False),
        Binding("left,up", "step(-1)", "Previous", show=False),
    ]

    class Chosen(Message):
        """A person chose `name`."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    chosen: reactive[str] = reactive("")

    def __init__(self, names: Sequence[str], *, id: str, can_focus: bool) -> None:
        super().__init__(id=id)
        self._names = [*names]
        self.can_focus = can_focus
        self.set_reactive(Choice.chosen, self._names[0])

    def render(self) -> RenderResult:
        style = "bold reverse" if self.has_focus else ""
        parts = [(self._shown(name), style if name == self.chosen else "") for name in self._names]
        between = Content(" " * self._gap)
        return between.join(Content.styled(text, style) for text, style in parts)

    def action_step(self, by: int) -> None:
        place = self._names.index(self.chosen)
        self._choose(self._names[(place + by) % len(self._names)])

    def on_click(self, event: Click) -> None:
        left = 0
        for name in self._names:
            right = left + cell_len(self._shown(name))
            if left <= event.x < right:
                self._choose(name)
            left = right + self._gap

    @property
    def _gap(self) -> int:
        """Two blanks between names, or one where there is not room for two."""
        return 2 if self._wanted_width <= self.size.width else 1

    @property
    def _wanted_width(self) -> int:
        return sum(cell_len(self._shown(name)) + 2 for name in self._names) - 2

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return self._wanted_width

    def _choose(self, name: str) -> None:
        self.chosen = name
        self.post_message(self.Chosen(name))

    def _shown(self, name: str) -> str:
        return f"({'*' if name == self.chosen else ' '}) {name}"
