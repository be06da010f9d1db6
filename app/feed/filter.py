"""The filter language of the feed.

Terms stand apart by spaces and all must match:

    paid               the text contains it
    "new order"        the text contains it, with the space
    from:bob           the publisher's e-mail contains it
    topic:orders       the topic's name contains it
    seq:7  seq:1-20  seq:9800-  seq:-20     the message's number
    state=paid         the text is JSON with this field; `order.state=paid` looks deeper, and
                       in a list any element may match. Other texts contain `state=paid`
    re:ord.*paid       the text fits the regular expression, which goes on to the end of the
                       line; `/re:` is the same

Small letters match capitals too; a term with a capital is taken exactly ("smart case").
Regular expressions are weighed first (`app.feed.pattern`): those with repeats search only the
beginning of a long text, 6,000 characters with one repeat and 490 with two, and those that
could take for ever are refused. `Filter.searched` tells, so that a screen can say so.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from app.feed.pattern import LONGEST_TEXT, UnusablePattern, compile_pattern
from app.feed.rows import MessageRow

Span = tuple[int, int]

_TERM = re.compile(r'(?:[A-Za-z_][\w.-]*[:=])?"(?:[^"]|"(?!\s|$))*"(?=\s|$)|\S+')
_REGEX = re.compile(r"(?:^|(?<=\s))/?re:")
_RANGE = re.compile(r"(\d{0,18})(-?)(\d{0,18})")
_FIELD = re.compile(r"([A-Za-z_][\w-]*(?:\.[\w-]+)*)=(.+)", re.DOTALL)


class FilterError(ValueError):
    """What was typed is not a filter. The text says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What `parse` makes of a line. An empty one matches everything and marks nothing."""

    text: str
    searched: int = LONGEST_TEXT  # how many characters of each text a regex looks at
    _tests: tuple[Callable[[MessageRow], bool], ...] = field(default=(), repr=False)
    _marks: tuple[Callable[[str], list[Span]], ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self._tests)

    def matches(self, row: MessageRow) -> bool:
        """Whether every term matches."""
        return all(test(row) for test in self._tests)

    def spans(self, text: str) -> list[Span]:
        """Where in `text` the terms match: rising, apart from each other, none empty."""
        found = sorted(span for mark in self._marks for span in mark(text))
        joined: list[Span] = []
        for start, end in found:
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined


def parse(text: str) -> Filter:
    """Return the filter that `text` describes. Raises FilterError."""
    terms = [_term(source) for source in _sources(text)]
    return Filter(
        text,
        min((term.searched for term in terms), default=LONGEST_TEXT),
        tuple(term.test for term in terms),
        tuple(term.marks for term in terms if term.marks is not None),
    )


@dataclass(frozen=True, slots=True)
class _Term:
    test: Callable[[MessageRow], bool]
    marks: Callable[[str], list[Span]] | None = None
    searched: int = LONGEST_TEXT


def _sources(text: str) -> Iterator[str]:
    regex = _REGEX.search(text)
    words = text[: regex.start()] if regex else text
    yield from (found[0] for found in _TERM.finditer(words))
    if regex:
        yield "re:" + text[regex.end() :].strip()


def _term(source: str) -> _Term:
    kind, colon, value = source.partition(":")
    if colon and kind in _KINDS:
        value = _unquoted(value)
        if not value:
            raise FilterError(f"{kind}: needs something after the colon")
        return _KINDS[kind](value)
    if found := _FIELD.fullmatch(source):
        return _field_term(source, found[1].split("."), _unquoted(found[2]))
    return _words_term(_unquoted(source))


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value


def _words_term(words: str) -> _Term:
    contains = _containing(words)
    return _Term(lambda row: contains(row.text), _marks_of(re.escape(words), words))


def _publisher_term(words: str) -> _Term:
    contains = _containing(words)
    return _Term(lambda row: contains(row.publisher))


def _topic_term(words: str) -> _Term:
    contains = _containing(words)
    return _Term(lambda row: contains(row.topic))


def _seq_term(value: str) -> _Term:
    found = _RANGE.fullmatch(value)
    if not found or value == "-":
        raise FilterError("seq: takes a number or a range, such as seq:7, seq:1-20 or seq:9800-")
    low = int(found[1] or 0)
    high = low if not found[2] else int(found[3] or 10**18)
    return _Term(lambda row: low <= row.seq <= high)


def _regex_term(source: str) -> _Term:
    try:
        pattern = compile_pattern(source, ignore_case=not _has_capital(source))
    except UnusablePattern as error:
        raise FilterError(str(error)) from None
    return _Term(lambda row: pattern.found_in(row.text), pattern.spans, pattern.searched)


def _field_term(source: str, path: list[str], value: str) -> _Term:
    contains = _containing(source)
    same = _equal_to(value)

    def test(row: MessageRow) -> bool:
        # Most messages are ruled out before they are decoded. A backslash may hide the name.
        if path[-1] not in row.text and "\\" not in row.text:
            return False
        try:
            document = msgspec.json.decode(row.text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return contains(row.text)
        return any(same(found) for found in _at(document, path))

    escaped = re.escape(value)
    shown = rf'"{re.escape(path[-1])}"\s*:\s*(?:"{escaped}"|{escaped}(?![\w.]))'
    return _Term(test, _marks_of(f"{shown}|{re.escape(source)}", value))


_KINDS: dict[str, Callable[[str], _Term]] = {
    "from": _publisher_term,
    "topic": _topic_term,
    "seq": _seq_term,
    "re": _regex_term,
}


def _at(document: object, path: list[str]) -> Iterator[object]:
    """Yield what is at `path`; a list stands for each of its elements."""
    if isinstance(document, list):
        for element in document:
            yield from _at(element, path)
    elif not path:
        yield document
    elif isinstance(document, dict) and path[0] in document:
        yield from _at(document[path[0]], path[1:])


def _equal_to(value: str) -> Callable[[object], bool]:
    fold = not _has_capital(value)
    number = _number(value)

    def same(found: object) -> bool:
        if isinstance(found, bool) or found is None:
            return value == {True: "true", False: "false", None: "null"}[found]
        if isinstance(found, int | float):
            return found == number
        return isinstance(found, str) and (found.lower() if fold else found) == value

    return same


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _containing(words: str) -> Callable[[str], bool]:
    if _has_capital(words):
        return lambda text: words in text
    return lambda text: words in text.lower()


def _marks_of(regex: str, typed: str) -> Callable[[str], list[Span]]:
    compiled = re.compile(regex, re.NOFLAG if _has_capital(typed) else re.IGNORECASE)
    return lambda text: [match.span() for match in compiled.finditer(text) if match[0]]


def _has_capital(typed: str) -> bool:
    return any(letter.isupper() for letter in re.sub(r"\\.", "", typed))
