"""What is sent: good requests, bad ones, garbage, and all of them changed, cut and mixed."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from protocol.requests import ACTIONS, AnyRequest
from tests.fuzz.harness import MESSAGE_BYTES

CORPUS = Path(__file__).parent / "corpus"

EMAILS = ["p@b.c", "s@b.c", "q@b.c", "P@B.C", "nobody", "", "a@b@c", "x@" + "y" * 300, "\u202e@b"]
TOPICS = ["T", "U", "t", "", " T", "x" * 201, "\n", "☃", "\u2028"]
TEXTS = ["", "m", "x" * (MESSAGE_BYTES - 2), "x" * MESSAGE_BYTES, "\n\r\0\x1b[2J"]
TEXTS += ["🙂" * 300, '"}\n{']
NUMBERS = [0, 1, 2, 7, -1, 2**31, 2**63 - 1, 2**63, -(2**63), 1e308, 0.5]
PASSWORDS = ["correct horse", "battery staple", "short", "", "x" * 201]
VERSIONS: list[Any] = [1, 2, 2, 2, 0, 3, "2"]

_USUAL: dict[str, st.SearchStrategy[Any]] = {
    "user_email": st.sampled_from(EMAILS),
    "user_type": st.sampled_from(["publisher", "subscriber", "Publisher", "reader", ""]),
    "version": st.sampled_from(VERSIONS),
    "producer": st.sampled_from(["till 1", "till 2", "", " x", "x" * 101]),
    "deliver": st.booleans(),
    "password": st.sampled_from(PASSWORDS),
    "old_password": st.sampled_from(PASSWORDS),
    "topic_name": st.sampled_from(TOPICS),
    "msg": st.sampled_from(TEXTS) | st.text(),
    "msgs": st.lists(st.sampled_from(TEXTS), max_size=4),
    "from": st.sampled_from(["new", "all", "old", *NUMBERS]),
    "seq": st.sampled_from(NUMBERS),
    "after": st.sampled_from(NUMBERS),
    "before": st.sampled_from(NUMBERS),
    "limit": st.sampled_from([1, 1000, 1001, *NUMBERS]),
    "id": st.sampled_from([*NUMBERS, "x", "x" * 200, "x" * 201, None, [1], True]),
}

_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def _request(kind: type[AnyRequest]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a request of `kind`: what it must have, and some of what it may."""
    names = kind.__struct_encode_fields__
    required = len(names) - len(kind.__struct_defaults__)
    action = st.just(kind.__struct_config__.tag)
    return st.fixed_dictionaries(
        {"action": action} | {name: _USUAL[name] for name in names[:required]},
        optional={name: _USUAL[name] for name in names[required:]},
    )


_kinds: tuple[type[AnyRequest], ...] = AnyRequest.__args__
requests = st.one_of([_request(kind) for kind in _kinds])
wrong = st.tuples(requests, st.dictionaries(st.sampled_from([*_USUAL, "x"]), _any_json)).map(
    lambda both: both[0] | both[1]
)
nonsense = st.fixed_dictionaries(
    {"action": st.sampled_from(ACTIONS) | _any_json}, optional={"id": _any_json}
)


def corpus() -> list[bytes]:
    """Return the streams that are kept: typical ones, and those that found something."""
    return [file.read_bytes() for file in sorted(CORPUS.glob("*.lines"))]


_objects = (requests | requests | wrong | nonsense).map(lambda one: json.dumps(one).encode())
_kept = st.sampled_from([line for stream in corpus() for line in stream.split(b"\n")])
_garbage = st.binary(max_size=60) | _any_json.map(lambda one: json.dumps(one).encode())
_long = st.integers(MESSAGE_BYTES, MESSAGE_BYTES + 9_000).map(lambda size: b"x" * size)


@st.composite
def _changed(draw: st.DrawFn) -> bytes:
    """Draw a good line with a part taken out and something put in its place."""
    line = draw(_objects | _kept)
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 8)))
    return line[:start] + draw(st.binary(max_size=4)) + line[end:]


_lines = _objects | _objects | _kept | _changed() | _garbage | _long
_ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b" \n"])


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Draw a connection's life, as the pieces in which it arrives."""
    begun = draw(st.lists(st.sampled_from(corpus()), max_size=1))  # so that somebody is signed in
    rest = draw(st.lists(st.tuples(_lines, _ends), max_size=12))
    stream = b"".join([*begun, *[line + end for line, end in rest]])
    if draw(st.booleans()):
        stream = stream.rstrip(b"\n")
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) if a < b]
