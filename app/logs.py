"""The log of every command: one line an event, as text for people or as JSON for programs.

What strangers have written may stand in it, so nothing of it drives a terminal or looks like
another line.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from app.places import log_file
from app.text import harmless

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")


class TextFormat(logging.Formatter):
    """`TIME LEVEL LOGGER: MESSAGE` on one line; a traceback follows, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        return harmless(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802  # logging's name
        text = super().formatException(ei)  # type: ignore[arg-type]  # its stub names no type
        return "\n".join(f"    {harmless(line)}" for line in text.splitlines())


class JsonFormat(logging.Formatter):
    """An object a line, in ASCII: time, level, logger, message, and an event or a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if event := getattr(record, "event", None):
            line["event"] = event
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def formatter(name: str) -> logging.Formatter:
    """Return the format that is called `name`."""
    return JsonFormat() if name == "json" else TextFormat()


def log_to_standard_error(level: str = "info", form: str = "text") -> None:
    """Send the log to standard error, whatever else it goes to."""
    _add(logging.StreamHandler(sys.stderr), level, form)


def log_to_file(level: str = "info", form: str = "text") -> None:
    """Send the log to a file: the terminal belongs to the screen."""
    file = log_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    except OSError:
        handler = logging.NullHandler()  # nowhere to write; the screen works all the same
    _add(handler, level, form)


def _add(handler: logging.Handler, level: str, form: str) -> None:
    handler.setFormatter(formatter(form))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(level.upper())
