"""What to say when the broker could not start or could not go on."""

from app.dashboard.holder import free_port_after, holder_of
from broker import CannotListen, Settings


def advice(error: Exception, settings: Settings) -> list[str]:
    """Return sentences that say what is wrong and what can be done."""
    lines = [str(error) or repr(error)]
    if isinstance(error, CannotListen):
        holder = holder_of(settings.port)
        if holder is not None:
            lines.append(f"The port is used by {holder}.")
        free = free_port_after(settings.host, settings.port)
        if free is not None:
            lines.append(f"Port {free} is free: pubsub broker --dashboard --port {free}")
    return lines
