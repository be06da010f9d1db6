"""Where the broker is and who one is: what all client commands and screens have in common."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict


class AccessOptions(TypedDict):
    """Those of a client's options that say how a broker is reached."""

    tls: bool
    ca: Path | None
    password: str | None


@dataclass(frozen=True)
class Access:
    """The options that every client command takes."""

    connect: str = "127.0.0.1:3000"
    email: str | None = None
    tls: bool = False
    ca: Path | None = None
    password: str | None = field(default=None, repr=False)

    def options(self) -> AccessOptions:
        """Return what a client is given besides addresses and e-mail."""
        return {"tls": self.tls, "ca": self.ca, "password": self.password}
