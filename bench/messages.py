"""The messages of a run: numbered, 100 bytes each, and the request lines that publish them.

A message names its publisher and its number at fixed places, so that what arrives can be
checked to the last byte, and it ends with a byte that stands nowhere else on the wire, so
that messages can be counted without parsing anything.
"""

from collections.abc import Iterator

MESSAGE_BYTES = 100
MARK = b"~"  # ends every message; no name and no address has it

_FILLING = "x" * (MESSAGE_BYTES - 17)
_FIRST_ID = 1_000_000_000  # ids are JSON numbers, which cannot be padded with zeros


def text(publisher: int, number: int) -> str:
    """Return message `number` of `publisher`, both counted from 0."""
    return f"{publisher:04d}-{number:010d}-{_FILLING}~"


def texts(publisher: int, count: int) -> Iterator[str]:
    """Return the first `count` messages of `publisher`."""
    return (text(publisher, number) for number in range(count))


def place_of(message: str) -> tuple[int, int]:
    """Return the publisher and the number that `message` names.

    Raises:
        ValueError: it names none.
    """
    return int(message[:4]), int(message[5:15])


def publish_v1(topic: str, number: int, message: str) -> str:
    """Return the version 1 line that publishes `message`."""
    return f'{{"action":"publish_msg","topic_name":"{topic}","msg":"{message}"}}\n'


def publish_v2(topic: str, number: int, message: str) -> str:
    """Return the version 2 line that publishes `message`, which has this `number`."""
    start = f'{{"action":"publish_msg","topic_name":"{topic}",'
    return f'{start}"id":{_FIRST_ID + number},"msg":"{message}"}}\n'


def is_success(reply: bytes, number: int, version: int) -> bool:
    """Return whether `reply` tells the publisher of message `number` that it is stored."""
    if version == 1:
        return reply == b'{"action":"success","code":0}'
    wanted = b'{"action":"success","id":%d,"code":0,"seq":' % (_FIRST_ID + number)
    return reply.startswith(wanted)


def broadcast_line(message: str) -> bytes:
    """Return the version 1 line that delivers `message`."""
    return f'{{"action":"broadcast","message":"{message}"}}\n'.encode()
