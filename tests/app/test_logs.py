"""What strangers write reaches the log as data: one line an event, nothing else."""

import json
import logging
import sys

import pytest

from app.logs import FORMATS, formatter

HOSTILE = "a\x1b[31m\r\n2026-01-01 INFO forged\x7f\x9b\u202e"


def record(message: str, *, error: BaseException | None = None, **extra: str) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("pubsub.x", logging.INFO, "x.py", 1, "%s", (message,), exc_info)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize("form", FORMATS)
def test_a_hostile_message_is_one_line_without_control_characters(form: str) -> None:
    line = formatter(form).format(record(HOSTILE))
    assert line.isprintable()
    assert "forged" in line


def test_text_says_when_how_grave_and_what() -> None:
    line = formatter("text").format(record("it has begun"))
    assert line.endswith(" INFO pubsub.x: it has begun")


def test_json_keeps_every_character_of_the_message_and_names_the_event() -> None:
    line = json.loads(formatter("json").format(record(HOSTILE, event="signed_in")))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "pubsub.x",
        "message": HOSTILE,
        "event": "signed_in",
    }


def test_json_without_an_event_has_none() -> None:
    assert "event" not in json.loads(formatter("json").format(record("x")))


@pytest.mark.parametrize("form", FORMATS)
def test_a_traceback_cannot_forge_a_line_either(form: str) -> None:
    try:
        raise ValueError("first\n2026-01-01 INFO forged\x1b[2J")
    except ValueError:
        error = sys.exc_info()[1]
    text = formatter(form).format(record("it failed", error=error))
    first, *others = text.splitlines()
    assert "it failed" in first
    assert "\x1b" not in text
    assert all(line.startswith("    ") for line in others)
    assert "ValueError" in text
