"""What a client may ask: every request of both versions, and how a line becomes one.

A request is one JSON object, told apart by its `action`. Keys that are not listed here are
ignored, so that a newer client can speak to an older broker.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.lines import LineTooLong
from protocol.reasons import Reason, RequestRefused

ID_LIMIT = 200  # characters of an id that is a string
HISTORY_LIMIT = 1_000  # messages one `history` may ask for

Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[str, Meta(max_length=ID_LIMIT)]
Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Request(Struct, tag_field="action", gc=False, omit_defaults=True):
    """A request. `id` is echoed on its reply where the connection speaks version 2.

    Passwords are not shown where a request is printed, in a log or a traceback.
    """

    version_needed: ClassVar[int] = 1

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        values = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [
            (name, "***" if "password" in name and value is not UNSET else value)
            for name, value in values
        ]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"


class Create(Request, tag="create"):
    """Make an account and sign in with it."""

    user_email: str
    user_type: str
    version: Literal[1, 2] = 1
    producer: str | UnsetType = UNSET
    id: Id | UnsetType = UNSET
    password: str | UnsetType = UNSET


class Connect(Request, tag="connect"):
    """Sign in; with `deliver` false only to ask, so that a subscriber's other session goes on."""

    user_email: str
    version: Literal[1, 2] = 1
    producer: str | UnsetType = UNSET
    deliver: bool = True
    id: Id | UnsetType = UNSET
    password: str | UnsetType = UNSET


class ChangePassword(Request, tag="change_password"):
    """Give the account another password, or its first; `old_password` is the one it has."""

    version_needed = 2
    password: str
    old_password: str | UnsetType = UNSET
    id: Id | UnsetType = UNSET


class CreateTopic(Request, tag="create_topic"):
    topic_name: str
    id: Id | UnsetType = UNSET


class DeleteTopic(Request, tag="delete_topic"):
    """Take out the topic, its messages and its subscriptions; for the account that made it."""

    version_needed = 2
    topic_name: str
    id: Id | UnsetType = UNSET


class DeleteAccount(Request, tag="delete_account"):
    """Take out the account that is signed in; its e-mail says so on purpose."""

    version_needed = 2
    user_email: str
    id: Id | UnsetType = UNSET


class PublishMsg(Request, tag="publish_msg"):
    topic_name: str
    msg: str
    id: Id | UnsetType = UNSET


class PublishMany(Request, tag="publish_many"):
    """Publish a list in one commit, all or none."""

    version_needed = 2
    topic_name: str
    msgs: Annotated[list[str], Meta(min_length=1)]
    id: Id | UnsetType = UNSET


class ListTopics(Request, tag="list_topics"):
    id: Id | UnsetType = UNSET


class Subscribe(Request, tag="subscribe", rename={"from_": "from"}):
    """Subscribe; `from` is where the cursor is put: before seq, at the start, at the head."""

    topic_name: str
    from_: Literal["new", "all"] | Annotated[int, Meta(ge=1, le=2**63 - 1)] | UnsetType = UNSET
    id: Id | UnsetType = UNSET


class Unsubscribe(Request, tag="unsubscribe"):
    topic_name: str
    id: Id | UnsetType = UNSET


class Ack(Request, tag="ack"):
    """All of the topic up to `seq` is processed."""

    version_needed = 2
    topic_name: str
    seq: Seq
    id: Id | UnsetType = UNSET


class Receipts(Request, tag="receipts"):
    """How many of the topic's subscriptions have confirmed `seq`."""

    version_needed = 2
    topic_name: str
    seq: Seq
    id: Id | UnsetType = UNSET


class History(Request, tag="history"):
    """Messages right after a seq, or right before one, without moving any cursor."""

    version_needed = 2
    topic_name: str
    after: Seq | UnsetType = UNSET
    before: Seq | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=HISTORY_LIMIT)] = 100
    id: Id | UnsetType = UNSET


class Subscriptions(Request, tag="subscriptions"):
    version_needed = 2
    id: Id | UnsetType = UNSET


class Ping(Request, tag="ping"):
    version_needed = 2
    id: Id | UnsetType = UNSET


AnyRequest = (
    Create
    | Connect
    | ChangePassword
    | DeleteAccount
    | CreateTopic
    | DeleteTopic
    | PublishMsg
    | PublishMany
    | ListTopics
    | Subscribe
    | Unsubscribe
    | Ack
    | Receipts
    | History
    | Subscriptions
    | Ping
)


class _Outline(Struct):
    """What can be told of an object that is not a request, without building the rest."""

    action: str
    id: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(AnyRequest).decode
_decode_outline = msgspec.json.Decoder(_Outline).decode
_decode_id = msgspec.json.Decoder(Id).decode
_encode = msgspec.json.Encoder().encode


def decode(lines: Sequence[bytes | LineTooLong]) -> list[AnyRequest | RequestRefused]:
    """Return what `lines` ask for, in order; in the place of a bad line its refusal.

    Blank lines ask for nothing and are left out.
    """
    try:
        return [*map(_decode, lines)]  # type: ignore[arg-type]  # the usual case: all are good
    except (ValueError, RecursionError, TypeError):
        return [
            _decode_one(line)
            for line in lines
            if line and (isinstance(line, LineTooLong) or line.strip())
        ]


def encode(request: AnyRequest) -> bytes:
    """Return the line, newline included, that asks for `request`."""
    return _encode(request) + b"\n"


def publish_line(topic_name: bytes, bodies: Sequence[bytes], number: int) -> bytes:
    """Return the line that publishes `bodies` together under the id `number`.

    Topic and messages are JSON already, so that each is encoded once however it is sent.
    """
    # Joined, because `%` with much text in it takes ten times as long.
    if len(bodies) == 1:
        start, end = b'{"action":"publish_msg","topic_name":%s,"msg":', b',"id":%d}\n'
    else:
        start, end = b'{"action":"publish_many","topic_name":%s,"msgs":[', b'],"id":%d}\n'
    return b"".join((start % topic_name, b",".join(bodies), end % number))


def _decode_one(line: bytes | LineTooLong) -> AnyRequest | RequestRefused:
    if isinstance(line, LineTooLong):
        return RequestRefused(
            Reason.TOO_LARGE,
            f"the line is longer than {line.limit} bytes; send less in one request",
        )
    try:
        request: AnyRequest = _decode(line)
    except RecursionError:
        return RequestRefused(Reason.BAD_REQUEST, "the request is nested too deeply")
    except UnicodeDecodeError:
        return RequestRefused(Reason.BAD_REQUEST, "the line is not UTF-8 text")
    except msgspec.ValidationError as error:
        return _wrongly_shaped(line, str(error))
    except ValueError as error:
        return RequestRefused(
            Reason.BAD_REQUEST,
            f"the line is not one JSON object: {_plain(str(error))}; send one request a line",
        )
    return request


def _wrongly_shaped(line: bytes, fault: str) -> RequestRefused:
    """Refuse JSON that is not a request, with the id it carries where it carries one."""
    try:
        outline = _decode_outline(line)
    except (ValueError, RecursionError):
        return RequestRefused(Reason.BAD_REQUEST, f"not a request: {_plain(fault)}")
    action = outline.action
    if action not in ACTIONS:
        shown = repr(action if len(action) <= 60 else action[:57] + "...")
        text = f"there is no action {shown}; the actions are {', '.join(ACTIONS)}"
        refused = RequestRefused(Reason.UNKNOWN_ACTION, text)
    else:
        refused = RequestRefused(Reason.BAD_REQUEST, f"{action}: {_plain(fault)}")
    try:
        refused.id = _decode_id(outline.id) if outline.id else UNSET
    except (ValueError, RecursionError):
        refused.id = UNSET  # not an id, so there is nothing to echo
    return refused


def _plain(fault: str) -> str:
    """Say a decoder's complaint in the words of a sentence."""
    if fault == "Input data was truncated":
        return "it ends too early, or holds one half of a surrogate pair"
    what, at, key = fault.removeprefix("JSON is malformed: ").rpartition(" - at `$.")
    return f"{_bounded(what)} in `{key}" if at else _bounded(key)


def _bounded(text: str) -> str:
    """Shorten and escape `text`, in which a decoder may quote all that it was sent."""
    short = text if len(text) <= 100 else text[:97] + "..."
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in short)


ACTIONS = tuple(str(kind.__struct_config__.tag) for kind in AnyRequest.__args__)
