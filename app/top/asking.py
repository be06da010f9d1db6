"""Asking a broker on this machine for its /stats."""

import urllib.error
import urllib.request

import msgspec

from app.commands.faults import Failed
from app.monitoring.monitor import DEFAULT_PORT, HOST
from app.monitoring.stats import Stats
from clients import NoBroker

LIMIT_S = 5.0
LIMIT_BYTES = 16 * 1024 * 1024

# A proxy of the environment is for other machines.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(port: int) -> Stats:
    """Return what the broker behind `port` tells just now.

    Raises:
        NoBroker: nothing answers.
        Failed: what answers is no broker, or one of another release.
    """
    url = f"http://{HOST}:{port}/stats"
    try:
        with _OPENER.open(url, timeout=LIMIT_S) as answer:
            body = answer.read(LIMIT_BYTES)
    except urllib.error.HTTPError as error:
        error.close()
        raise _other(url, f"it answers with {error.code}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise NoBroker(
            f"nothing answers on {url} ({getattr(why, 'strerror', None) or why}); start a broker"
            f" with --http {port}, or say with --http which port it has"
        ) from None
    except Exception as error:  # what http.client raises where something else speaks
        raise _other(url, type(error).__name__) from None
    try:
        return msgspec.json.decode(body, type=Stats)
    except (ValueError, RecursionError) as error:
        raise _other(url, str(error)) from None


def _other(url: str, why: str) -> Failed:
    return Failed(
        f"what answers on {url} is no broker's --http, or one of another release ({why});"
        f" brokers usually have --http {DEFAULT_PORT}"
    )
