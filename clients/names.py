"""The rules for names, for forms that tell of a fault before anything is sent."""

from protocol import names
from protocol.names import PASSWORD_LEAST as PASSWORD_LEAST
from protocol.reasons import RequestRefused


def email_fault(text: str) -> str | None:
    """Return why `text` is no e-mail address, in a sentence, or None where it is one."""
    try:
        names.email(text)
    except RequestRefused as refused:
        return refused.text
    return None


def topic_name_fault(text: str) -> str | None:
    """Return why `text` cannot name a topic, in a sentence, or None where it can."""
    try:
        names.topic_name(text)
    except RequestRefused as refused:
        return refused.text
    return None
