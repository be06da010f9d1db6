"""Times and sizes as people type them: 7d, 10GB."""

import re

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


class NotAnAmount(ValueError):
    """The text is none; it says how one is written."""


def seconds_of(text: str) -> float:
    """Return the seconds that `text`, such as 7d, stands for."""
    found = _amount(text, SECONDS)
    if found is None:
        raise NotAnAmount(f"a time is written as 90s, 30m, 12h or 7d, not {text!r}")
    return found


def bytes_of(text: str) -> int:
    """Return the bytes that `text`, such as 10GB, stands for."""
    found = _amount(text, BYTES)
    if found is None:
        raise NotAnAmount(f"a size is written as 500MB, 10GB or 10GiB, not {text!r}")
    return int(found)


def _amount(text: str, units: dict[str, int]) -> float | None:
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([a-z]*)", text.strip().lower(), re.A)
    if found is None or found[2] not in units:
        return None
    return float(found[1]) * units[found[2]]
