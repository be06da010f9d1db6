"""Signing in and making an account: a form that says under each field what is wrong with it."""

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Button, Footer, Input, Static, Tab, Tabs

from app.screens.fields import field
from app.screens.own_broker import CannotStart
from app.screens.password_fields import PasswordFields
from app.screens.session import Session
from app.screens.words import in_words
from app.text import harmless
from clients import (
    BadAddress,
    BrokerNotTrusted,
    NoBroker,
    Phase,
    RequestRefused,
    State,
)
from clients.errors import TurnedAway
from clients.names import email_fault
from clients.reasons import Reason

SIGN_IN, CREATE = "sign-in", "create"
TITLES = {SIGN_IN: "Sign in", CREATE: "Create account"}


class SignInScreen(Screen[bool]):
    """Asks who one is, until a session has begun (True) or it is left (False).

    The typed values stay after a failure, and the focus goes to the field that is wrong. A
    password that is wrong does not stay.
    """

    BINDINGS = [
        ("ctrl+r", "submit", "Try again"),
        ("ctrl+n", "start_broker", "Start a broker here"),
        ("f2", "show_password", "Show the password"),
        ("escape", "leave", "Back"),
    ]
    AUTO_FOCUS = "#email"

    def __init__(self, session: Session, email: str, *, can_leave: bool) -> None:
        super().__init__()
        self._session = session
        self._email = email
        self._can_leave = can_leave
        self._no_broker = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="sign-in", can_focus=False) as box:
            box.border_title = Content(f"pubsub {self._session.kind}")
            yield Static(id="state", markup=False)
            yield Tabs(*(Tab(title, id=name) for name, title in TITLES.items()))
            yield from field("email", "E-mail", self._email)
            yield PasswordFields()
            yield from field("server", "Server", self._session.connect)
            with Horizontal(classes="buttons"):
                yield Button(TITLES[SIGN_IN], variant="primary", id="submit")
                yield Button("Start a broker here", id="start")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one("#start").display = False
        self._session.watch(self, self._show_state)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "start_broker":
            return self._no_broker
        if action == "show_password":
            return self.query_one(PasswordFields).display
        return action != "leave" or self._can_leave

    # what a person does

    @on(Tabs.TabActivated)
    def _choose(self) -> None:
        self.query_one("#submit", Button).label = TITLES[self._wanted]
        self._passwords.is_new(self._wanted == CREATE)

    @on(Input.Submitted, "#email")
    @on(Input.Submitted, "#password")
    @on(Input.Submitted, "#repeat")
    @on(Input.Submitted, "#server")
    @on(Button.Pressed, "#submit")
    def action_submit(self) -> None:
        self._try()

    @on(Button.Pressed, "#start")
    def action_start_broker(self) -> None:
        self._start()

    def action_show_password(self) -> None:
        self._passwords.toggle()

    def action_leave(self) -> None:
        self.dismiss(False)

    @on(Input.Blurred, "#email")
    def _check_email(self, event: Input.Blurred) -> None:
        if event.value:
            self._tell("email", email_fault(event.value) or "")

    @on(Input.Changed)
    def _corrected(self, event: Input.Changed) -> None:
        """Take a complaint back as soon as it no longer holds; raise none while one types."""
        match name := event.input.id:
            case "email":
                holds = email_fault(event.value) is not None
            case "password":
                holds = not event.value  # a wrong one was taken away, and why is to be read
            case "repeat":
                holds = self._passwords.differ
            case _:
                return
        if not holds:
            self._tell(name, "")

    # what follows

    @property
    def _wanted(self) -> str:
        active = self.query_one(Tabs).active
        return active if active in TITLES else SIGN_IN

    @property
    def _server(self) -> str:
        return self.query_one("#server", Input).value.strip()

    @work(group="sign in", exclusive=True)
    async def _try(self) -> None:
        email = self.query_one("#email", Input).value.strip()
        fault = email_fault(email)
        if fault is not None:
            self._refuse("email", fault)
            return
        if self._passwords.display and self._passwords.differ:
            self._refuse("repeat", "the two differ; type the same twice")
            return
        with self._busy():
            await self._begin(email)

    async def _begin(self, email: str) -> None:
        self._offer_broker(False)
        server = self._server
        create = self._wanted == CREATE
        try:
            await self._session.begin(server, email, self._passwords.value, create=create)
        except (BadAddress, BrokerNotTrusted, TurnedAway) as error:
            self._refuse("server", str(error))
        except NoBroker as error:
            self._refuse("server", str(error))
            self._offer_broker(self._session.own_broker.possible(server))
        except RequestRefused as refused:
            self._refused(email, refused)
        else:
            self.dismiss(True)

    def _refused(self, email: str, refused: RequestRefused) -> None:
        """Say what the broker says in the words of the form, under the field it is about."""
        match refused.reason:
            case Reason.ACCOUNT_NOT_FOUND:
                self._refuse("email", f"{email} has no account yet; choose {TITLES[CREATE]}")
            case Reason.ACCOUNT_EXISTS:
                self._refuse("email", f"{email} has an account already; choose {TITLES[SIGN_IN]}")
            case Reason.PASSWORD_NEEDED:
                self._ask_for_password()
                self._refuse("password", "a password is needed here")
            case Reason.WRONG_PASSWORD:
                self._ask_for_password()
                self._passwords.clear()
                self._refuse("password", "the e-mail or the password is wrong")
            case Reason.BAD_PASSWORD | Reason.TRY_LATER:
                self._ask_for_password()
                self._refuse("password", str(refused))
            case _:
                self._refuse("email", str(refused))

    def _ask_for_password(self) -> None:
        self._passwords.display = True
        self.refresh_bindings()

    @property
    def _passwords(self) -> PasswordFields:
        return self.query_one(PasswordFields)

    @work(group="sign in", exclusive=True)
    async def _start(self) -> None:
        own = self._session.own_broker
        with self._busy():
            self._tell("server", f"starting a broker on {own.data_dir} ...", fault=False)
            try:
                await own.start(self._server)
            except (BadAddress, CannotStart) as error:
                self._refuse("server", str(error))
                return
            self._tell("server", f"a broker runs here, on {own.data_dir}", fault=False)
            await self._begin(self.query_one("#email", Input).value.strip())

    def _busy(self) -> "_Busy":
        return _Busy(self.query_one("#submit", Button), self.query_one("#start", Button))

    def _offer_broker(self, offered: bool) -> None:
        self._no_broker = offered
        self.query_one("#start").display = offered
        self.refresh_bindings()

    def _refuse(self, field: str, why: str) -> None:
        self._tell(field, why)
        self.query_one(f"#{field}", Input).focus()

    def _tell(self, field: str, text: str, *, fault: bool = True) -> None:
        below = self.query_one(f"#{field}-told", Static)
        mark = f"{self._session.symbols.failed} " if text and fault else ""
        below.update(Content(mark + harmless(text)))
        below.set_class(fault, "fault")
        below.display = bool(text)
        self.query_one(f"#{field}", Input).set_class(bool(text) and fault, "-invalid")

    def _show_state(self, state: State) -> None:
        # Why it did not work stands under the field.
        shown = State(Phase.OFFLINE) if state.phase is Phase.REFUSED else state
        words = in_words(shown, self._session.now(), self._session.symbols)
        self.query_one("#state", Static).update(Content(words))


class _Busy:
    """Disables buttons while a request runs."""

    def __init__(self, *buttons: Button) -> None:
        self._buttons = buttons

    def __enter__(self) -> None:
        for button in self._buttons:
            button.disabled = True

    def __exit__(self, *_: object) -> None:
        for button in self._buttons:
            button.disabled = False
