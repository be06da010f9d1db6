"""The environment of the commands: `PUBSUB_*`, a `.env` file, and the original's names there."""

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from urllib.parse import quote

from dotenv import dotenv_values


class Unreadable(Exception):
    """There is a `.env` file that cannot be read; the text says why."""


def load(folder: Path = Path()) -> None:
    """Add what a `.env` file in `folder` says to the environment; what is set already stays.

    Raises:
        Unreadable: nothing has been added.
    """
    file = folder / ".env"
    # Not Path.is_file: in a folder that is closed to us, such as the home of who typed
    # `sudo -u pubsub`, that raises.
    if not os.path.isfile(file):
        return
    try:
        text = file.read_text("utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds a NUL")
    except (OSError, ValueError) as error:
        raise Unreadable(f"{file.absolute()} cannot be read: {error}; mend or remove it") from error
    parsed = dotenv_values(stream=StringIO(text))
    values = {name: value for name, value in parsed.items() if value is not None}
    settings = {name: value for name, value in values.items() if name.startswith("PUBSUB_")}
    for name, value in (_of_the_original(values) | settings).items():
        os.environ.setdefault(name, value)


def _of_the_original(values: Mapping[str, str]) -> dict[str, str]:
    """Translate the names that the original program read from its `.env`."""
    settings: dict[str, str] = {}
    host = values.get("SERVER_ADDRESS", "127.0.0.1")
    port = values.get("SERVER_PORT", "3000")
    if "SERVER_ADDRESS" in values or "SERVER_PORT" in values:
        settings |= {"PUBSUB_HOST": host, "PUBSUB_PORT": port}
        settings["PUBSUB_CONNECT"] = f"{host}:{port}"
    if "DATABASE_ADDRESS" in values or "DATABASE_NAME" in values:
        settings["PUBSUB_STORE"] = _database_url(values)
    return settings


def _database_url(values: Mapping[str, str]) -> str:
    user = quote(values.get("DATABASE_USERNAME", ""), safe="")
    password = quote(values.get("DATABASE_PASSWORD", ""), safe="")
    name = quote(values.get("DATABASE_NAME", ""), safe="")
    who = f"{user}:{password}@" if password else f"{user}@" if user else ""
    return f"postgresql://{who}{values.get('DATABASE_ADDRESS', 'localhost')}/{name}"
