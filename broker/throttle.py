"""How long somebody waits after wrong passwords."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

REMEMBERED = 10_000  # of each kind; who failed longest ago is forgotten first
FORGET_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """After `free` failures the next try waits 1 s, and twice as long after each, up to a bound."""

    free: int
    longest_s: float

    def pause_s(self, failures: int) -> float:
        over = failures - self.free
        return min(2.0 ** min(over, 30), self.longest_s) if over >= 0 else 0.0


# Behind one address there may be many people; an account has one.
OF_ACCOUNTS = Pace(free=5, longest_s=60.0)
OF_ADDRESSES = Pace(free=20, longest_s=60.0)


class Failures:
    """The failures of accounts, or of addresses: how many, and the time of the last."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, name: str, now: float) -> float:
        """Return how long `name` has to wait before its next try."""
        count, last = self._failed.get(name, (0, now))
        if now - last > FORGET_S:
            return 0.0
        return max(last + self._pace.pause_s(count) - now, 0.0)

    def add(self, name: str, now: float) -> None:
        count, last = self._failed.pop(name, (0, now))
        self._failed[name] = (count + 1 if now - last <= FORGET_S else 1, now)
        while len(self._failed) > REMEMBERED:
            self._failed.popitem(last=False)

    def forget(self, name: str) -> None:
        self._failed.pop(name, None)


class Throttle:
    """Delays that grow with the wrong passwords for an account, and from an address.

    Somebody who has signed in to the account from an address before is not held up there by
    what others fail elsewhere: else any stranger could keep an owner out. Memory is bounded.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts = Failures(OF_ACCOUNTS)
        self._addresses = Failures(OF_ADDRESSES)
        self._welcome: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait_s(self, account: str, address: str) -> float:
        """Return how long `address` has to wait before it tries a password of `account`."""
        now = self._clock()
        wait_s = self._addresses.wait_s(address, now)
        if (account, address) in self._welcome:
            return wait_s
        return max(wait_s, self._accounts.wait_s(account, now))

    def failed(self, account: str, address: str) -> None:
        now = self._clock()
        self._accounts.add(account, now)
        self._addresses.add(address, now)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the failures of the account; those of the address may be for other accounts."""
        self._accounts.forget(account)
        self._welcome[account, address] = None
        self._welcome.move_to_end((account, address))
        while len(self._welcome) > REMEMBERED:
            self._welcome.popitem(last=False)
