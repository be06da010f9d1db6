"""What the broker says: every reply and notice of both versions.

Version 1 lines have exactly the documented keys. Existing clients call a function with the
keys of a line and break on one that they do not know, so a version 1 line is never made
from a version 2 reply by leaving things out: each reply says its version 1 line itself.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from protocol.reasons import RequestRefused

_encoder = msgspec.json.Encoder()

RequestId = int | str | UnsetType

SUCCESS_V1 = b'{"action":"success","code":0}\n'


class Reply(Struct, tag_field="action", gc=False):
    """A reply; `id` is the request's."""

    id: RequestId = UNSET

    def line(self, version: int) -> bytes:
        """Return the line, newline included, that says this in `version` 1 or 2."""
        return self._line_v1() if version == 1 else _encoder.encode(self) + b"\n"

    def _line_v1(self) -> bytes:
        return SUCCESS_V1


class Success(Reply, tag="success"):
    """The request was carried out."""

    code: int = 0


class Published(Reply, tag="success"):
    """The message is on disk. A repeat of one that was stored before has no seq."""

    code: int = 0
    seq: int | UnsetType = UNSET
    duplicate: bool | UnsetType = UNSET


class SubscriptionState(Struct, gc=False):
    """One subscription: its cursor, its topic's head, and how many messages lie between."""

    topic_name: str
    cursor: int
    head: int
    unread: int


class Limits(Struct, gc=False):
    """What the broker takes: bytes in a line (its newline not counted), bytes in a message."""

    line_bytes: int
    message_bytes: int


class SignedIn(Reply, tag="success", kw_only=True):
    """The account is signed in. `last_id` is the newest publish stored for the producer."""

    code: int = 0
    user_email: str
    user_type: str
    subscriptions: list[SubscriptionState]
    limits: Limits
    last_id: int | UnsetType = UNSET


class TopicState(Struct, gc=False):
    """One topic. `unread` and `behind` are over all subscriptions for a publisher, and the
    account's own for a subscriber. Messages up to `tail` are gone."""

    topic_name: str
    head: int
    created_at: datetime
    published_at: datetime | None
    subscribers: int
    subscribed: bool
    behind: int
    unread: int
    tail: int = 0

    @property
    def messages(self) -> int:
        """How many are there."""
        return self.head - self.tail


class Topics(Reply, tag="list_topics", kw_only=True):
    """All topics, oldest first."""

    topics: list[str]
    details: list[TopicState]

    def _line_v1(self) -> bytes:
        return _encoder.encode({"action": "list_topics", "topics": self.topics}) + b"\n"


class SubscriptionList(Reply, tag="subscriptions", kw_only=True):
    """The account's subscriptions, oldest topic first."""

    subscriptions: list[SubscriptionState]


class ReceiptCount(Reply, tag="receipts", kw_only=True):
    """`confirmed` of the topic's `subscriptions` have confirmed `seq`."""

    topic_name: str
    seq: int
    confirmed: int
    subscriptions: int


class HistoryPage(Reply, tag="history", kw_only=True):
    """Messages of a topic, oldest first, in the shape of deliveries without their action."""

    topic_name: str
    head: int
    blocks: list[Raw]


class TopicDeleted(Struct, tag_field="action", tag="topic_deleted", gc=False):
    """A topic that the session is subscribed to is gone, and the subscription with it."""

    topic_name: str


class Gap(Struct, tag_field="action", tag="gap", gc=False):
    """Messages `seq` to `last_seq` of a topic would come here, but are not kept any more."""

    topic_name: str
    seq: int
    last_seq: int


def notice_line(notice: TopicDeleted | Gap) -> bytes:
    """Return the line, newline included, that tells a version 2 subscriber of `notice`."""
    return _encoder.encode(notice) + b"\n"


class Error(Reply, tag="error", kw_only=True):
    """The request was not carried out, or the broker has to tell something."""

    message: str
    reason: str = ""  # a notice to somebody of whom nothing is known yet has none

    def _line_v1(self) -> bytes:
        return notice_v1(self.message)


def refusal(refused: RequestRefused, request_id: RequestId = UNSET) -> Error:
    """Return the error line that tells the client of `refused`."""
    return Error(
        id=refused.id if request_id is UNSET else request_id,
        message=refused.text,
        reason=refused.reason.value,
    )


def notice_v1(text: str) -> bytes:
    """Return the line for somebody who is turned away before anything is known of them."""
    return _encoder.encode({"action": "error", "message": text}) + b"\n"


def published_lines(ids: Iterable[RequestId], seqs: Iterable[int]) -> bytes:
    """Return the version 2 successes of publishes."""
    return _encoder.encode_lines(
        [Published(request_id, 0, seq) for request_id, seq in zip(ids, seqs, strict=True)]
    )
