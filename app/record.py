"""A message as one JSON object on one line: what `pubsub sub --json`, copying and exports give."""

from datetime import datetime
from typing import Protocol

import msgspec

_encode = msgspec.json.Encoder().encode


class AnyMessage(Protocol):
    """A message, whoever hands it out."""

    @property
    def topic(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def publisher(self) -> str: ...
    @property
    def published_at(self) -> datetime: ...
    @property
    def text(self) -> str: ...


def record_of(message: AnyMessage) -> bytes:
    """Return the object in UTF-8, without a newline."""
    return _encode(
        {
            "topic": message.topic,
            "seq": message.seq,
            "publisher": message.publisher,
            "published_at": message.published_at,
            "message": message.text,
        }
    )
