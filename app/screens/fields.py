"""The fields of a form: a label, what is typed, and below it what is wrong with it."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Static


def field(name: str, label: str, value: str = "", *, password: bool = False) -> ComposeResult:
    """Yield a field: the input `#name`, and below it the text `#name-told`, hidden for now."""
    with Horizontal(classes="field"):
        yield Static(label, classes="label", markup=False)
        yield Input(value, id=name, compact=True, password=password)
    told = Static(id=f"{name}-told", classes="told", markup=False)
    told.display = False
    yield told
