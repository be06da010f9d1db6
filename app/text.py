"""Strangers' text made harmless for a terminal."""

import re
import unicodedata
from functools import lru_cache

# Control characters (C0, C1, DEL) could drive the terminal; the invisible format characters
# that turn a line's direction around could make it read as something else; what has no width
# hides; a lone surrogate cannot be written at all. The joiners stay: scripts need them.
_DANGEROUS = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)

# After an emoji these change its look, and terminals differ in how wide the result is.
_EMOJI_VARIANTS = re.compile(
    "(?<=[\u2190-\u2bff\u3030\U0001f000-\U0001faff])[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]+"
)
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_TOO_MANY_MARKS = re.compile(f"({_MARK}{{2}}){_MARK}+")

UNSHOWABLE = "\N{REPLACEMENT CHARACTER}"


def harmless(text: str) -> str:
    """Return `text` on one line, with what could harm written as an escape."""
    return _DANGEROUS.sub(lambda found: repr(found[0])[1:-1], text)


def in_cells(text: str) -> str:
    """Return `text` for one line of a screen, where it takes a certain number of cells.

    What drives, turns, hides or cannot be written is one visible symbol, a newline and a tab
    too. Emoji lose their variants, and a letter keeps two combining marks at most.
    """
    if text.isascii():
        return text if text.isprintable() else text.translate(_SYMBOLS)
    text = _EMOJI_VARIANTS.sub("", text).translate(_SYMBOLS)
    return _TOO_MANY_MARKS.sub(r"\1", text)


class _Symbols(dict[int, str]):
    """What `str.translate` asks about each character; keeps nothing that strangers send."""

    def __missing__(self, codepoint: int) -> str:
        return _symbol(codepoint)


@lru_cache(maxsize=4096)
def _symbol(codepoint: int) -> str:
    if codepoint < 0x20:
        return chr(0x2400 + codepoint)
    if codepoint == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    hidden = unicodedata.category(chr(codepoint)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    variant = 0xFE00 <= codepoint <= 0xFE0F or 0xE0100 <= codepoint <= 0xE01EF
    filler = codepoint in {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0}
    return UNSHOWABLE if hidden or variant or filler else chr(codepoint)


_SYMBOLS = _Symbols()
