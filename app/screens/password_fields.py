"""The password of a form: hidden until a broker asks for it, typed twice where it is new."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from app.screens.fields import field
from clients.names import PASSWORD_LEAST


class PasswordFields(Vertical):
    """One field, or two and a word on how strong the password is, while `new`.

    Nothing that is typed is shown unless the person wants that.
    """

    def __init__(self) -> None:
        super().__init__(id="password-fields")
        self._new = False

    def compose(self) -> ComposeResult:
        yield from field("password", "Password", password=True)
        with Vertical(id="repeated"):
            yield from field("repeat", "Repeat", password=True)
            yield Static(id="strength", classes="told", markup=False)

    def on_mount(self) -> None:
        self.display = False
        self.is_new(False)

    def is_new(self, new: bool) -> None:
        """Ask for a new password, or for the one there is."""
        self._new = new
        self.query_one("#repeated").display = new

    def toggle(self) -> None:
        """Show what is typed, or hide it again."""
        for one in self.query(Input):
            one.password = not one.password

    def clear(self) -> None:
        for one in self.query(Input):
            one.value = ""

    @property
    def value(self) -> str | None:
        """What is typed; None while nobody asks for it, or nothing is."""
        typed = self.query_one("#password", Input).value
        return typed if self.display and typed else None

    @property
    def differ(self) -> bool:
        """Whether a new password was not typed the same twice."""
        first, second = self.query_one("#password", Input), self.query_one("#repeat", Input)
        return self._new and first.value != second.value

    @on(Input.Changed, "#password")
    def _tell_strength(self) -> None:
        typed = self.query_one("#password", Input).value
        self.query_one("#strength", Static).update(Content(strength(typed) if typed else ""))


def strength(password: str) -> str:
    """Return a word on how hard `password` is to guess: its length tells most of it."""
    kinds = (str.islower, str.isupper, str.isdigit, lambda one: not one.isalnum())
    variety = sum(any(map(kind, password)) for kind in kinds)
    worth = min(len(password), 3 * len(set(password))) + 2 * variety
    if len(password) < PASSWORD_LEAST:
        return f"too short, {PASSWORD_LEAST} characters at least"
    return "weak" if worth < 14 else "fair" if worth < 18 else "good" if worth < 24 else "strong"
