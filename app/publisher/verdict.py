"""Whether a message is JSON, in words."""

import json
from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """What a message is meant to be. Nothing is changed in it: JSON is checked, no more."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to say of a message; `blocks` where it may not be sent as it is."""

    words: str
    blocks: bool = False


def verdict(text: str, wanted: Format) -> Verdict:
    """Return what to say of `text`."""
    if wanted is Format.TEXT or not text.strip():
        return Verdict("text")
    fault = json_fault(text)
    if fault is None:
        return Verdict("JSON ok")
    if wanted is Format.JSON:
        return Verdict(f"not JSON, {fault}", blocks=True)
    meant = text.lstrip()[0] in "{["
    return Verdict(f"text; as JSON {fault}" if meant else "text")


def json_fault(text: str) -> str | None:
    """Return where and why `text` is not JSON ("line 3: expecting ',' delimiter"), or None."""
    try:
        json.loads(text, parse_constant=_no_constant, parse_int=len, parse_float=len)
    except json.JSONDecodeError as error:
        reason = error.msg[0].lower() + error.msg[1:]
        return f"line {error.lineno}: {reason}"
    except RecursionError:
        return "nested too deeply"
    except ValueError as error:
        return str(error)
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
