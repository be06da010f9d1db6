"""Where brokers are: `HOST:PORT`, several with commas between."""

import re
from dataclasses import dataclass

DEFAULT_PORT = 3000

_PORT = re.compile("[0-9]{1,5}")


class BadAddress(ValueError):
    """The text names no address. It says what was expected."""


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def addresses(text: str) -> list[Address]:
    """Return the addresses in `text`; the port may be left out, IPv6 goes in brackets."""
    return [_address(part.strip()) for part in text.split(",")]


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BadAddress(f"{text!r} is not an address; IPv6 goes in brackets: [HOST]:PORT")
    if not host or not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise BadAddress(f"{text!r} is not an address; it takes the form HOST:PORT")
    return Address(host, int(port))
