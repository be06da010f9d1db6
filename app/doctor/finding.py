"""What an examination finds: a sentence, and what to do where something is wrong."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"  # worth knowing; nothing has to be done
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class Finding:
    verdict: Verdict
    text: str
    remedy: str = ""  # always there where something is wrong


def ok(text: str) -> Finding:
    return Finding(Verdict.OK, text)


def note(text: str, remedy: str = "") -> Finding:
    return Finding(Verdict.NOTE, text, remedy)


def wrong(text: str, remedy: str) -> Finding:
    return Finding(Verdict.WRONG, text, remedy)
