"""Help: the keys that work right now, to be searched and to be run."""

from dataclasses import dataclass
from itertools import chain

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option


@dataclass(frozen=True, slots=True)
class Key:
    """A key that does something: its name, what it does, and where."""

    key: str
    text: str
    action: str
    node: DOMNode


def keys_of(screen: Screen[object]) -> list[Key]:
    """Return the keys that work on `screen` as it is focused now, one a thing to do.

    What every field and list of the toolkit does with arrows and the like is left out.
    """
    keys: dict[tuple[str, int], Key] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        ours = binding.action in _own_actions(type(active.node))
        if not (ours and active.enabled and binding.description) or binding.system:
            continue
        shown = screen.app.get_key_display(binding)
        same = (binding.action, id(active.node))
        if same in keys:
            shown = " ".join(dict.fromkeys([*keys[same].key.split(), shown]))
        keys[same] = Key(shown, binding.description, binding.action, active.node)
    return [*keys.values()]


def _own_actions(kind: type[DOMNode]) -> set[str]:
    """Return what the keys do that our own classes give to `kind`, those of the toolkit not."""
    ours = (one for one in kind.__mro__ if one.__module__.startswith("app."))
    bindings = chain.from_iterable(one.__dict__.get("BINDINGS", ()) for one in ours)
    return {one.action if isinstance(one, Binding) else one[1] for one in bindings}


class HelpScreen(ModalScreen[Key | None]):
    """Lists `keys`; Enter runs the highlighted one, Esc goes back."""

    BINDINGS = [("escape", "dismiss(None)", "Close")]
    AUTO_FOCUS = "Input"

    def __init__(self, keys: list[Key], about: str) -> None:
        super().__init__()
        self._keys = keys
        self._about = about
        self._found: list[Key] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="help") as box:
            box.border_title = Content(f"Keys: {self._about}")
            box.border_subtitle = Content("type to search   Enter runs one   Esc closes")
            yield Input(placeholder="search", compact=True)
            yield OptionList(markup=False)

    def on_mount(self) -> None:
        self._show("")

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        self._show(event.value)

    def on_key(self, event: object) -> None:
        key = getattr(event, "key", "")
        if key in ("down", "up") and self.focused is self.query_one(Input):
            options = self.query_one(OptionList)
            options.action_cursor_down() if key == "down" else options.action_cursor_up()

    @on(Input.Submitted)
    def _run_highlighted(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None:
            self.dismiss(self._found[place])

    @on(OptionList.OptionSelected)
    def _run(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._found[event.option_index])

    def _show(self, search: str) -> None:
        wanted = search.casefold()
        self._found = [key for key in self._keys if wanted in f"{key.key} {key.text}".casefold()]
        options = self.query_one(OptionList)
        options.set_options(
            Option(Content.assemble((f"{key.key:>16}  ", "$text-accent"), key.text))
            for key in self._found
        )
        options.highlighted = 0 if self._found else None
