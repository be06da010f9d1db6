"""A crowd: thousands of connected subscribers that are mostly idle, and when each is served."""

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from bench.checking import Wrong, check_order, check_success, messages_v1, messages_v2
from bench.messages import MARK
from bench.wire import PATIENCE_S, Address, connected

_AT_ONCE = 20  # connections that are signed in together: what a burst takes is not theirs
_PIECE_BYTES = 64 << 10


@dataclass
class Crowd:
    """A job: subscribers that each get the same `each` messages of one publisher.

    Each begins with its bytes of `openings`, which have `replies` successes. The moments of
    its run are when each number reached each of them.
    """

    role: ClassVar[str] = "subscribers"
    address: Address
    version: int
    openings: list[bytes]
    replies: int
    each: int
    _members: "list[_Member]" = field(default_factory=list, init=False)

    def prepare(self) -> None:
        """Sign all in, some at a time."""
        for start in range(0, len(self.openings), _AT_ONCE):
            members = []
            for opening in self.openings[start : start + _AT_ONCE]:
                members.append(_Member(connected(self.address)))
                members[-1].socket.sendall(opening)
            for _ in _until(members, lambda member: member.data.count(b"\n") >= self.replies):
                pass
            for member in members:
                member.forget_replies(self.replies)
            self._members += members

    def run(self) -> list[tuple[int, int]]:
        """Read until every one has all messages; return when each number came, in any order."""
        moments = []
        for member, came_ns in _until(self._members, lambda one: one.count >= self.each):
            moments += [(came_ns, number) for number in range(member.told, member.count)]
            member.told = member.count
        return moments

    def check(self) -> int:
        """Check what every one got; return how many there are."""
        messages_of = messages_v1 if self.version == 1 else messages_v2
        checked: set[bytes] = set()  # mostly all got the same bytes
        for member in self._members:
            data = bytes(member.data)
            if data not in checked:
                messages = messages_of(data.splitlines(), "broadcast")
                check_order(messages, publishers=1, each=self.each)
                checked.add(data)
            member.socket.close()
        return len(self._members)


class _Member:
    """One connection, and what it got."""

    __slots__ = ("count", "data", "socket", "told")

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.data = bytearray()
        self.count = 0  # messages it got
        self.told = 0  # of them, those whose moment is noted

    def take(self) -> None:
        piece = self.socket.recv(_PIECE_BYTES)
        if not piece:
            raise Wrong(f"the broker closed the connection of a subscriber that got {self.count}")
        self.data += piece
        self.count += piece.count(MARK)

    def forget_replies(self, replies: int) -> None:
        lines = self.data.splitlines()
        if len(lines) != replies:
            raise Wrong(f"{replies} requests had {len(lines)} answers")
        for line in lines:
            check_success(bytes(line))
        self.data.clear()


def _until(
    members: list[_Member], done: Callable[[_Member], bool]
) -> Iterator[tuple[_Member, int]]:
    """Let `members` take what comes, yielding whose and when, until all are `done`."""
    with selectors.DefaultSelector() as selector:
        for member in members:
            if not done(member):
                selector.register(member.socket, selectors.EVENT_READ, member)
        while selector.get_map():
            ready = selector.select(PATIENCE_S)
            if not ready:
                raise Wrong(
                    f"lost: {len(selector.get_map())} subscribers have had nothing for"
                    f" {PATIENCE_S:g} s"
                )
            for key, _ in ready:
                key.data.take()
                yield key.data, time.monotonic_ns()
                if done(key.data):
                    selector.unregister(key.fileobj)
