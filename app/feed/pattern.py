"""Regular expressions that cannot stop the program.

Python's matcher tries one way after another, and some expressions have more ways to fail on
some texts than there is time: `(a+)+b` on thirty a's. Publishers choose the texts, so before
it is used an expression is weighed: from how many repeats it has and how they are nested
follows how much of a text can be searched within a bounded number of steps. One for which
that would be next to nothing is refused. Refusing is on the safe side: some harmless ones are
refused too, and can be written in another way.
"""

import re
import warnings
from dataclasses import dataclass
from math import comb
from re import _constants as codes  # type: ignore[attr-defined]  # the parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST_TEXT = 65_536
SHORTEST_TEXT = 200
MOST_STEPS = 20_000_000  # a tenth of a second or two, at worst
_FEW = 16  # a repeat of at most so many counts as that many ways, not as any number
_GROUP_STEPS = 16  # a repeated group costs the matcher as much more than a repeated character


class UnusablePattern(ValueError):
    """The expression is wrong or could take too long; the text says which, in one sentence."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression, and how much of the beginning of each text it searches."""

    regex: re.Pattern[str]
    searched: int
    marked: int  # less is searched to mark what was found: a whole screen of it at a time

    def found_in(self, text: str) -> bool:
        return self.regex.search(text, 0, self.searched) is not None

    def spans(self, text: str) -> list[tuple[int, int]]:
        found = self.regex.finditer(text, 0, self.marked)
        return [match.span() for match in found if match.end() > match.start()]


def compile_pattern(source: str, *, ignore_case: bool) -> Pattern:
    """Return the expression ready for use. Raises UnusablePattern."""
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    try:
        with warnings.catch_warnings(action="ignore"):  # about what it may mean in future
            regex = re.compile(source, flags)
            ways = _ways(parser.parse(source, flags))
    except (re.error, OverflowError, RecursionError) as error:
        raise UnusablePattern(f"the regex is not complete or not right: {error}") from None
    return Pattern(regex, _searchable(ways, MOST_STEPS), _searchable(ways, MOST_STEPS // 10))


@dataclass(frozen=True, slots=True)
class _Ways:
    """From one place, the matcher can go on in `few` x n^`repeats` / `repeats`! ways.

    n is the length of the text.
    """

    few: int = 1
    repeats: int = 0

    def then(self, other: "_Ways") -> "_Ways":
        return _Ways(self.few * other.few, self.repeats + other.repeats)

    def steps(self, length: int) -> int:
        return self.few * comb(length + self.repeats + 1, self.repeats + 1)


def _searchable(ways: _Ways, most_steps: int) -> int:
    """How much of a text can be searched; the steps rise with it, so halving finds it."""
    if ways.steps(SHORTEST_TEXT) > MOST_STEPS:
        raise UnusablePattern(
            "the regex could take too long: it has too many repeats; try several terms instead"
        )
    low, high = 0, LONGEST_TEXT + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if ways.steps(middle) <= most_steps else (low, middle)
    return low


def _ways(parsed: parser.SubPattern) -> _Ways:
    ways = _Ways()
    for code, argument in parsed:
        ways = ways.then(_ways_of(code, argument))
    return ways


def _ways_of(code: object, argument: Any) -> _Ways:
    match code, argument:
        case (codes.MAX_REPEAT | codes.MIN_REPEAT | codes.POSSESSIVE_REPEAT, (low, high, body)):
            return _repeated(body, low, high)
        case (codes.BRANCH, (_, branches)):
            return _branched(branches)
        case (codes.SUBPATTERN, (*_, body)) | (codes.ASSERT | codes.ASSERT_NOT, (_, body)):
            return _ways(body)
        case (codes.ATOMIC_GROUP, body):
            return _ways(body)
        case (codes.GROUPREF, _):
            return _Ways(repeats=1)  # compares as much text as the group took
        case (codes.GROUPREF_EXISTS, (_, yes, no)):
            return _branched([body for body in (yes, no) if body is not None])
    return _Ways()


def _repeated(body: parser.SubPattern, low: int, high: int) -> _Ways:
    each = _ways(body)
    if each == _Ways():
        step = 1 if _is_one_character(body) else _GROUP_STEPS
        return _Ways(high - low + 1) if high - low < _FEW else _Ways(step, repeats=1)
    if each.repeats == 0 and high <= _FEW:
        return _Ways(sum(each.few**times for times in range(low, high + 1)))
    raise UnusablePattern(
        "the regex could take for ever: it repeats something that itself fits in several ways"
    )


def _is_one_character(body: parser.SubPattern) -> bool:
    kinds = {codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN}
    return len(body) == 1 and body[0][0] in kinds


def _branched(branches: list[parser.SubPattern]) -> _Ways:
    each = [_ways(branch) for branch in branches]
    if _begin_differently(branches) and all(ways == _Ways() for ways in each):
        return _Ways()  # the first character decides
    return _Ways(sum(ways.few for ways in each), max(ways.repeats for ways in each))


def _begin_differently(branches: list[parser.SubPattern]) -> bool:
    firsts = [branch[0] for branch in branches if len(branch)]
    letters = {chr(argument).casefold() for code, argument in firsts if code is codes.LITERAL}
    return len(letters) == len(branches)
