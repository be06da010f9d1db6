"""What all client commands have in common: who one is, and what is told of the connection."""

from app.access import Access
from app.commands.ending import say
from app.commands.faults import WrongUsage
from clients import AccountNotFound, Phase, State


def wanted_email(access: Access) -> str:
    if access.email is None:
        raise WrongUsage("say who you are with --email or PUBSUB_EMAIL")
    return access.email


def with_remedy(error: AccountNotFound, email: str, cure: str = "add --create") -> AccountNotFound:
    """Say what to do about a missing account in the words of the command line."""
    return AccountNotFound(error.reason, f"{email} has no account yet; {cure}")


class Watcher:
    """Tells a person, on standard error, when the connection is lost and when it is back."""

    def __init__(self) -> None:
        self._away = False

    def __call__(self, state: State) -> None:
        if state.phase is Phase.RECONNECTING and not self._away:
            self._away = True
            say(f"connection lost ({state.why}); trying again until Ctrl-C")
        elif state.phase is Phase.LIVE and self._away:
            self._away = False
            say(f"connected again, to {state.address}")
