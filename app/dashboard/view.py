"""What the screen shows at one moment, and the sentences that say it."""

from dataclasses import dataclass

from app.dashboard.figures import in_bytes
from app.dashboard.rates import Rates
from app.dashboard.server import BrokerThread, Phase
from app.screens.symbols import Symbols
from app.screens.words import count_of
from app.text import harmless
from broker.snapshot import Condition, Snapshot


@dataclass(frozen=True, slots=True)
class View:
    """A snapshot and the rates up to it. There is no snapshot while the broker starts."""

    address: str
    phase: Phase
    snapshot: Snapshot | None
    rates: Rates
    sync: str
    frozen: bool = False

    @property
    def bad(self) -> bool:
        """Whether clients are refused or have to wait."""
        return self.snapshot is not None and self.snapshot.condition in (
            Condition.LOW_DISK,
            Condition.STORE_SILENT,
            Condition.STORE_REFUSES,
        )


def sync_words(server: BrokerThread) -> str:
    """Return what an acknowledged message has been through."""
    settings = server.settings
    unsafe = settings.store_url is not None and settings.allow_unsafe_store
    return "sync: not checked" if unsafe else "sync: every write"


def condition_words(view: View, symbols: Symbols) -> str:
    """Return the broker's condition, with its shape."""
    now = view.snapshot
    if view.phase is Phase.STARTING:
        return f"{symbols.connecting} starting"
    if view.phase is Phase.STOPPING:
        left = count_of(now.connections, "session") if now else "sessions"
        return f"{symbols.closed} stopping: draining {left}, q forces"
    if view.phase is Phase.ENDED or now is None:
        return f"{symbols.closed} ended" if view.phase is Phase.ENDED else symbols.connecting
    match now.condition:
        case Condition.LOW_DISK:
            free = f", {in_bytes(now.free_bytes)} free" if now.free_bytes is not None else ""
            return f"{symbols.refused} disk low{free}: publishes are refused, reading works"
        case Condition.STORE_SILENT:
            return f"{symbols.reconnecting} PostgreSQL does not answer: publishes wait"
        case Condition.STORE_REFUSES:
            return f"{symbols.refused} PostgreSQL refuses publishes: {harmless(now.trouble)}"
        case Condition.STOPPING:
            return f"{symbols.closed} stopping"
        case Condition.SERVING:
            return f"{symbols.live} serving"
