"""Why a request was refused: one word for programs, one sentence for people."""

from enum import StrEnum

from msgspec import UNSET, UnsetType


class Reason(StrEnum):
    """The machine-readable half of an error line of version 2. The same in every release."""

    BAD_REQUEST = "bad_request"  # not JSON, not an object, a key missing or of the wrong type
    UNKNOWN_ACTION = "unknown_action"
    VERSION_NEEDED = "version_needed"  # the action belongs to version 2
    TOO_LARGE = "too_large"  # the line or a message is over the limit
    BAD_EMAIL = "bad_email"
    BAD_USER_TYPE = "bad_user_type"
    BAD_TOPIC_NAME = "bad_topic_name"
    NOT_SIGNED_IN = "not_signed_in"
    WRONG_ROLE = "wrong_role"
    ACCOUNT_EXISTS = "account_exists"
    ACCOUNT_NOT_FOUND = "account_not_found"
    PASSWORD_NEEDED = "password_needed"  # the account has one, or the broker lets nobody in without
    WRONG_PASSWORD = "wrong_password"
    BAD_PASSWORD = "bad_password"  # a new one that is too short or too long
    TRY_LATER = "try_later"  # after too many wrong passwords, or while too many are being checked
    TOPIC_EXISTS = "topic_exists"
    TOPIC_NOT_FOUND = "topic_not_found"
    NOT_YOURS = "not_yours"  # another account made the topic, or another one is to be deleted
    NOT_SUBSCRIBED = "not_subscribed"
    TAKEN_OVER = "taken_over"  # a newer session of the same subscriber or producer began
    DISCONNECTED = "disconnected"  # whoever runs the broker has ended the session
    PASSWORD_CHANGED = "password_changed"  # by another session, and this one has ended
    ACCOUNT_DELETED = "account_deleted"  # by another session, and this one has ended
    LOW_DISK = "low_disk"  # publishes are refused until there is space again
    STORE_UNAVAILABLE = "store_unavailable"  # it is not known whether it was stored
    STOPPING = "stopping"  # the broker is being shut down


class RequestRefused(Exception):
    """A request was not carried out. Nothing has changed and the connection goes on."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.id: int | str | UnsetType = UNSET  # of the request, where it could be read
