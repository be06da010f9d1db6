"""What a worker is told to do, on its standard input."""

from pathlib import Path
from typing import Any

import msgspec

from broker import Settings


class Order(msgspec.Struct, frozen=True):
    """How worker `number`, from 1 on, serves and logs."""

    number: int
    settings: Settings
    http: int | None
    log_level: str
    log_format: str


def encode(order: Order) -> bytes:
    """Return `order` as a line. It can hold a store's password: no argument shows it to others."""
    return msgspec.json.encode(order, enc_hook=str) + b"\n"


def decode(line: bytes) -> Order:
    return msgspec.json.decode(line, type=Order, dec_hook=_path)


def _path(kind: type, value: Any) -> Path:
    assert kind is Path
    return Path(value)
