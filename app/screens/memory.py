"""What the screens remember from one time to the next: names, drafts, the theme."""

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import platformdirs

_logger = logging.getLogger("pubsub.screens")


def default_folder() -> Path:
    """Return `PUBSUB_CONFIG_DIR`, or the folder for settings of this platform."""
    named = os.environ.get("PUBSUB_CONFIG_DIR")
    return Path(named) if named else platformdirs.user_config_path("pubsub", appauthor=False)


class Memory:
    """Named values in one JSON file, which only its owner can read.

    A file that cannot be read counts as empty; one that cannot be written leaves the values
    for this run only. Both are told in the log. Secrets are never put here.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._values = self._read()

    def text(self, name: str) -> str:
        """Return the text kept under `name`, or ""."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Return the list of texts kept under `name`, or an empty one."""
        value = self._values.get(name)
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

    def named_texts(self, name: str) -> dict[str, str]:
        """Return the texts by name kept under `name`."""
        value = self._values.get(name)
        if not isinstance(value, dict):
            return {}
        return {key: one for key, one in value.items() if isinstance(one, str)}

    def keep(self, name: str, value: str | list[str] | dict[str, str]) -> None:
        """Keep `value` under `name`; a crash leaves the old file or the new one, whole."""
        if self._values.get(name) == value:
            return
        # Another screen may have kept something of its own meanwhile.
        self._values = {**self._values, **self._read(), name: value}
        try:
            self._write()
        except OSError as error:
            _logger.warning("%s cannot be written: %s", self._file, error)

    def _read(self) -> dict[str, Any]:
        try:
            values = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}  # the first time
        except (OSError, ValueError) as error:
            _logger.warning("%s cannot be read and is made anew: %s", self._file, error)
            return {}
        return values if isinstance(values, dict) else {}

    def _write(self) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=self._file.name)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(self._values, file)
        os.replace(name, self._file)
