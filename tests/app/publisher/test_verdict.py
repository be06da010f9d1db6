"""What the border says of a message."""

import pytest

from app.publisher.verdict import Format, Verdict, verdict


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        ("", Format.AUTO, Verdict("text")),
        ("  \n", Format.AUTO, Verdict("text")),
        ("hello", Format.AUTO, Verdict("text")),
        ("21.5", Format.AUTO, Verdict("JSON ok")),
        ('{"a": [1, null]}', Format.AUTO, Verdict("JSON ok")),
        ('{"a": [1, null]}', Format.TEXT, Verdict("text")),
        ('{"a": 1', Format.AUTO, Verdict("text; as JSON line 1: expecting ',' delimiter")),
        ("[\n1\n2]", Format.JSON, Verdict("not JSON, line 3: expecting ',' delimiter", True)),
        ("hello", Format.JSON, Verdict("not JSON, line 1: expecting value", True)),
        ("[NaN]", Format.JSON, Verdict("not JSON, NaN is not JSON", True)),
        ("[" * 100_000, Format.JSON, Verdict("not JSON, nested too deeply", True)),
        ("9" * 100_000, Format.JSON, Verdict("JSON ok")),
        ("", Format.JSON, Verdict("text")),
    ],
)
def test_a_message_is_judged_in_words(text: str, wanted: Format, expected: Verdict) -> None:
    assert verdict(text, wanted) == expected
