"""What may be a name: roles, e-mail addresses, topics, producers. And what a password may be.

The rules are deliberately few, so that they can be told in one sentence each; the sentence
is the error a client gets.
"""

from enum import StrEnum

from protocol.reasons import Reason, RequestRefused

EMAIL_LIMIT = 254  # characters; RFC 5321 allows no longer address
TOPIC_NAME_LIMIT = 200  # characters
PRODUCER_LIMIT = 100  # characters
PASSWORD_LEAST, PASSWORD_LIMIT = 8, 200  # characters


class Role(StrEnum):
    """What an account is for; decided when it is created."""

    PUBLISHER = "publisher"
    SUBSCRIBER = "subscriber"


def role(user_type: str) -> Role:
    """Return the role that `user_type` names, in whatever case it is written."""
    try:
        return Role(user_type.lower())
    except ValueError:
        raise RequestRefused(
            Reason.BAD_USER_TYPE,
            f"user_type is {_shown(user_type)}; it must be publisher or subscriber",
        ) from None


def email(text: str) -> str:
    """Return `text` as the address it is kept under: in lower case, as mail is delivered."""
    name, _, domain = text.partition("@")
    well_formed = (
        len(text) <= EMAIL_LIMIT
        and name
        and domain
        and "@" not in domain
        and " " not in text
        and text.isprintable()
    )
    if not well_formed:
        raise RequestRefused(
            Reason.BAD_EMAIL,
            f"{_shown(text)} is not an e-mail address: it takes the form name@domain, without"
            f" spaces or control characters, in at most {EMAIL_LIMIT} characters",
        )
    return text.lower()


def topic_name(text: str) -> str:
    """Return `text` if it may name a topic. Names are told apart by case."""
    if not _printable(text, TOPIC_NAME_LIMIT):
        raise RequestRefused(
            Reason.BAD_TOPIC_NAME,
            f"{_shown(text)} is not a topic name: it takes 1 to {TOPIC_NAME_LIMIT} printable"
            " characters and neither begins nor ends with a space",
        )
    return text


def producer(text: str) -> str:
    """Return `text` if it may name a producer."""
    if not _printable(text, PRODUCER_LIMIT):
        raise RequestRefused(
            Reason.BAD_REQUEST,
            f"{_shown(text)} is not a producer: it takes 1 to {PRODUCER_LIMIT} printable"
            " characters and neither begins nor ends with a space",
        )
    return text


def new_password(text: str) -> str:
    """Return `text` if it may become a password. It is never quoted."""
    if not PASSWORD_LEAST <= len(text) <= PASSWORD_LIMIT:
        raise RequestRefused(
            Reason.BAD_PASSWORD,
            f"a password takes {PASSWORD_LEAST} to {PASSWORD_LIMIT} characters; choose another",
        )
    return text


def _printable(text: str, limit: int) -> bool:
    # isprintable() leaves out control characters, line and paragraph separators and the
    # invisible format characters that turn a line's direction around.
    return 1 <= len(text) <= limit and text.isprintable() and text == text.strip()


def _shown(text: str) -> str:
    """Quote what a client sent, shortened, with everything unprintable escaped."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
