"""Where this program keeps what it keeps."""

from pathlib import Path

import platformdirs


def default_data_dir() -> Path:
    """Return the folder of the broker's own PostgreSQL where none is named."""
    return platformdirs.user_data_path("pubsub", appauthor=False)


def log_file() -> Path:
    """Return the file to which the screens log, since the terminal is theirs."""
    return platformdirs.user_log_path("pubsub", appauthor=False) / "screens.log"
