"""How a client's connection stands: what a screen shows."""

from dataclasses import dataclass
from enum import StrEnum

from clients.address import Address


class Phase(StrEnum):
    """What a client is doing about its connection."""

    OFFLINE = "offline"  # not opened yet
    CONNECTING = "connecting"
    SIGNING_IN = "signing in"
    LIVE = "live"
    RECONNECTING = "reconnecting"  # waiting for the next try
    REFUSED = "refused"  # the broker does not let the account in; over for good
    CLOSED = "closed"  # over for good


@dataclass(frozen=True, slots=True)
class State:
    """Where the connection stands, and why.

    `attempt` counts the tries since it was last live. `retry_at` is when the next one
    begins, on the clock of the event loop.
    """

    phase: Phase
    address: Address | None = None
    why: str = ""
    attempt: int = 0
    retry_at: float | None = None
