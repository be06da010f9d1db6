"""Strangers' text made harmless for a terminal."""

import re

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
# Categories Cc, Cf, Cs, Zl and Zp, variation selectors, and letters that look like nothing.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
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
        return text if text.isprintable() else _HIDDEN.sub(_symbol, text)
    shown = _HIDDEN.sub(_symbol, _EMOJI_VARIANTS.sub("", text))
    return _TOO_MANY_MARKS.sub(r"\1", shown)


def _symbol(hidden: re.Match[str]) -> str:
    codepoint = ord(hidden[0])
    if codepoint < 0x20:
        return chr(0x2400 + codepoint)
    return "\N{SYMBOL FOR DELETE}" if codepoint == 0x7F else UNSHOWABLE
