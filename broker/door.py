"""The door: how many connections there are, from where, and how long one may stay a stranger."""

import asyncio
import ipaddress
import logging
import resource
import sys
from typing import Protocol

from broker.events import Event
from broker.seldom import Seldom
from broker.settings import Settings

KEPT_FILES = 64  # what a broker has open besides connections: its store, its log, what it lends

_logger = logging.getLogger("pubsub.broker")


class Visitor(Protocol):
    """What the door sees of a connection."""

    @property
    def source(self) -> str: ...

    @property
    def known(self) -> bool:
        """Whether it has signed in."""

    def turn_away(self, why: str) -> None:
        """Tell it why it is not served, and close it."""


class Door:
    """Counts connections, in all and by address, and turns away who is one too many.

    Whoever has not signed in within `sign_in_s` is turned away too.
    """

    def __init__(self, settings: Settings, per_address: int, seldom: Seldom) -> None:
        self._room = min(settings.connections, _files() - KEPT_FILES)
        self._per_address = min(per_address, self._room)
        self._sign_in_s = settings.sign_in_s
        self._counts: dict[str, int] = {}
        self._inside: dict[Visitor, str] = {}  # and which count each is in
        self._new: dict[Visitor, float] = {}  # until when each may stay a stranger, soonest first
        self._timer: asyncio.TimerHandle | None = None
        self._seldom = seldom
        self.turned_away = 0  # since the start
        if self._room < settings.connections:
            _logger.warning(
                "this process may open so few files that %d connections are the most;"
                " `ulimit -n` tells how many it may, and raises it",
                self._room,
            )

    @property
    def inside(self) -> int:
        """How many connections are served."""
        return len(self._inside)

    def enter(self, visitor: Visitor) -> bool:
        """Let `visitor` in, or turn it away; return which."""
        address = sys.intern(network(visitor.source))  # one string for all that share it
        count = self._counts.get(address, 0)
        if len(self._inside) >= self._room:
            self._refuse(visitor, f"the broker has no room for more than {self._room} connections")
            return False
        if count >= self._per_address:
            self._refuse(visitor, f"there are {count} connections from your address already")
            return False
        self._counts[address] = count + 1
        self._inside[visitor] = address
        self._watch(visitor)
        return True

    def leave(self, visitor: Visitor) -> None:
        """Forget `visitor`, if it was let in."""
        self._new.pop(visitor, None)
        address = self._inside.pop(visitor, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _refuse(self, visitor: Visitor, why: str) -> None:
        self._turn_away(visitor, f"is turned away: {why}", f"{why}; close one, or come again later")

    def _turn_away(self, visitor: Visitor, told: str, why: str) -> None:
        self.turned_away += 1
        self._seldom.tell(Event.TURNED_AWAY, f"{visitor.source} {told}")
        visitor.turn_away(why)

    def _watch(self, visitor: Visitor) -> None:
        loop = asyncio.get_running_loop()
        self._new[visitor] = loop.time() + self._sign_in_s
        if self._timer is None:
            self._timer = loop.call_later(self._sign_in_s, self._look)

    def _look(self) -> None:
        """Turn away who is a stranger still, and look again when the next one may be."""
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        while self._new:
            visitor, until = next(iter(self._new.items()))
            if until > now:
                self._timer = loop.call_at(until, self._look)
                return
            del self._new[visitor]
            if not visitor.known:
                self._turn_away(
                    visitor,
                    "has not signed in, and is turned away",
                    f"you have not signed in within {self._sign_in_s:g} s; connect again and send"
                    " connect or create",
                )


def network(address: str) -> str:
    """Return what counts as one address: of IPv6 the network that one customer gets."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _files() -> int:
    """Return how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft
