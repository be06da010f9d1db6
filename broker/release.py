"""Which release of this program runs."""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """Return the version, or "unknown" where the program runs without having been installed."""
    try:
        return version("pubsub-suite")
    except PackageNotFoundError:
        return "unknown"
