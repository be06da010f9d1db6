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

    def __init__(self, worker: int | None = None) -> None:
        who = "" if worker is None else f"worker {worker}: "
        super().__init__(f"%(asctime)s %(levelname)s %(name)s: {who}%(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        return harmless(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802  # logging's name
        text = super().formatException(ei)  # type: ignore[arg-type]  # its stub names no type
        return "\n".join(f"    {harmless(line)}" for line in text.splitlines())


class JsonFormat(logging.Formatter):
    """An object a line, in ASCII: time, level, logger, message, and an event or a traceback."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._more = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | self._more
        if event := getattr(record, "event", None):
            line["event"] = event
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def formatter(name: str, worker: int | None = None) -> logging.Formatter:
    """Return the format that is called `name`, telling which worker it is where there are some."""
    return JsonFormat(worker) if name == "json" else TextFormat(worker)


def log_to_standard_error(
    level: str = "info", form: str = "text", *, worker: int | None = None
) -> None:
    """Send the log to standard error, whatever else it goes to."""
    _add(logging.StreamHandler(sys.stderr), level, formatter(form, worker))


def log_to_file(level: str = "info", form: str = "text") -> None:
    """Send the log to a file: the terminal belongs to the screen."""
    file = log_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    except OSError:
        handler = logging.NullHandler()  # nowhere to write; the screen works all the same
    _add(handler, level, formatter(form))


def _add(handler: logging.Handler, level: str, form: logging.Formatter) -> None:
    handler.setFormatter(form)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(level.upper())
