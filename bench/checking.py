"""Whether all that was published has arrived: once each, in order, unharmed."""

import json
from collections.abc import Iterable

from bench.messages import place_of, text

_START_V1 = {
    action: b'{"action":"%s","message":"' % action.encode() for action in ("broadcast", "unread")
}
_END_V1 = b'"}'


class Wrong(Exception):
    """Something was lost, doubled, reordered or damaged. The text says what came first."""


def check_order(messages: Iterable[str], *, publishers: int, each: int) -> None:
    """Check that `messages` are `each` of every publisher, those of one in their order.

    Raises:
        Wrong: they are not.
    """
    expected = [0] * publishers  # the number that comes next
    for message in messages:
        publisher, number = _place(message)
        if publisher >= publishers or message != text(publisher, number):
            raise Wrong(f"a message was damaged: {message[:60]!r}")
        if number > expected[publisher]:
            raise Wrong(
                f"lost or reordered: message {number} of publisher {publisher} came when"
                f" {expected[publisher]} was next"
            )
        if number < expected[publisher]:
            raise Wrong(
                f"doubled or reordered: message {number} of publisher {publisher} came after"
                f" {expected[publisher] - 1}"
            )
        expected[publisher] += 1
    for publisher, number in enumerate(expected):
        if number != each:
            raise Wrong(f"lost: publisher {publisher} sent {each} messages and {number} came")


def _place(message: str) -> tuple[int, int]:
    try:
        return place_of(message)
    except ValueError:
        raise Wrong(f"a message was damaged: {message[:60]!r}") from None


def messages_v1(lines: Iterable[bytes], action: str) -> list[str]:
    """Return the messages that `lines` deliver, one each.

    Raises:
        Wrong: one of them is not exactly a line of `action`.
    """
    start = _START_V1[action]
    messages = []
    for line in lines:
        if not line.startswith(start) or not line.endswith(_END_V1):
            raise Wrong(f"this is no {action} line: {_shown(line)}")
        messages.append(line[len(start) : -len(_END_V1)].decode())
    return messages


def messages_v2(lines: Iterable[bytes], action: str) -> list[str]:
    """Return the messages that `lines` deliver, a block each.

    Raises:
        Wrong: one is not a line of `action`, or the seqs do not go on from line to line.
    """
    messages: list[str] = []
    for line in lines:
        block = json.loads(line)
        if block.get("action") != action:
            raise Wrong(f"this is no {action} line: {_shown(line)}")
        if block["seq"] != len(messages) + 1:
            raise Wrong(f"seq {block['seq']} came when {len(messages) + 1} was next")
        messages += block["messages"]
    return messages


def check_success(line: bytes) -> None:
    """Check that `line` is the success of what was asked before.

    Raises:
        Wrong: it is something else.
    """
    if not line.startswith(b'{"action":"success"'):
        raise Wrong(f"the broker refused: {_shown(line)}")


def _shown(line: bytes) -> str:
    return repr(line if len(line) <= 120 else line[:117] + b"...")
