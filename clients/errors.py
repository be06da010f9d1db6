"""What can go wrong, split by what the caller can do about it."""

from protocol.reasons import Reason
from protocol.replies import Error


class PubSubError(Exception):
    """The base of all errors of this library. The text tells a person what to do next."""


class NoBroker(PubSubError):
    """No broker was reached at any of the addresses: start one, or name another."""


class BrokerNotTrusted(NoBroker):
    """What answers is not known to be the broker: its certificate, or its TLS, is not right."""


class TurnedAway(NoBroker):
    """A broker answered and does not serve this connection; the text says why."""


class SessionEnded(PubSubError):
    """The session is over for good: closed, taken over, or not let in again.

    Whatever was not answered by then may have been carried out or not. `reason` is why the
    account was not let in again, where that is how it ended.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


class RequestRefused(PubSubError):
    """The broker did not carry the request out, and nothing has changed.

    `reason` is for programs: a `Reason`, or a word that a newer broker knows.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class TopicNotFound(RequestRefused):
    """No topic has this name: `create_topic` makes it."""


class AccountNotFound(RequestRefused):
    """No account has this address: `create=True` makes it."""


class PasswordNeeded(RequestRefused):
    """The account is signed in to with a password, and none was given."""


class WrongPassword(RequestRefused):
    """The account has another password, or, where the broker does not tell, there is none."""


# What a broker says while it, or its store, is away for a moment. It is asked again.
PASSING = frozenset({Reason.STORE_UNAVAILABLE, Reason.STOPPING, Reason.TRY_LATER})

_KINDS = {
    Reason.TOPIC_NOT_FOUND: TopicNotFound,
    Reason.ACCOUNT_NOT_FOUND: AccountNotFound,
    Reason.PASSWORD_NEEDED: PasswordNeeded,
    Reason.WRONG_PASSWORD: WrongPassword,
}


def refusal(error: Error) -> RequestRefused:
    """Return the exception that stands for an error line."""
    kind: type[RequestRefused] = _KINDS.get(error.reason, RequestRefused)  # type: ignore[call-overload]  # a Reason is a str
    return kind(error.reason, error.message)
