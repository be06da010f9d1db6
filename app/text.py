"""Strangers' text made harmless for a terminal."""

import re

# Control characters (C0, C1, DEL) could drive the terminal; the invisible format characters
# that turn a line's direction around could make it read as something else.
_DANGEROUS = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def harmless(text: str) -> str:
    """Return `text` on one line, with what could harm written as an escape."""
    return _DANGEROUS.sub(lambda found: repr(found[0])[1:-1], text)
