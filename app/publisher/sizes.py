"""How big a message is, and whether the broker takes it."""

import msgspec

_encoder = msgspec.json.Encoder()
_UNITS = ("KiB", "MiB", "GiB")


def size_of(text: str) -> int:
    """Return the bytes of `text`."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def in_words(size: int) -> str:
    """Return "31 B", "1.2 KiB", "1 MiB"."""
    if size < 1024:
        return f"{size} B"
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    return f"{size / 1024**power:.1f}".removesuffix(".0") + f" {_UNITS[power - 1]}"


def size_fault(text: str, limit: int) -> str | None:
    """Return why `text` cannot be sent where a message takes `limit` bytes, or None."""
    try:
        taken = len(_encoder.encode(text)) if len(text) > limit // 6 else 0
        if not taken:
            text.encode()
    except UnicodeEncodeError:
        return "half a character (a lone surrogate) is in it, which cannot be sent"
    if taken <= limit:
        return None
    return (
        f"{taken:,} bytes as sent, {taken - limit:,} more than the broker takes ({limit:,});"
        " shorten it, or split it"
    )
