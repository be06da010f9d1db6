"""The person's own editor, for one text."""

import asyncio
import os
import shlex
import tempfile
from pathlib import Path


class EditorFailed(Exception):
    """The text was not edited. It says why."""


def editor() -> list[str]:
    """Return the words of the command in `VISUAL` or `EDITOR`, or `vi`.

    Raises:
        EditorFailed: its quotes do not match.
    """
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        return shlex.split(named)
    except ValueError as error:
        raise EditorFailed(f"the editor {named!r} cannot be started: {error}") from error


async def edit(text: str, suffix: str) -> str:
    """Return `text` as the editor left it; the file it was in, which nobody else reads, is gone.

    The event loop goes on meanwhile: the connection lives.

    Raises:
        EditorFailed: there is no such editor, it failed, or left no UTF-8 text.
    """
    command = editor()
    with tempfile.TemporaryDirectory(prefix="pubsub-") as folder:
        file = Path(folder) / f"message{suffix}"
        file.write_text(text, encoding="utf-8", newline="")
        try:
            process = await asyncio.create_subprocess_exec(*command, str(file))
            code = await process.wait()
            edited = file.read_bytes().decode()
        except OSError as error:
            raise EditorFailed(f"the editor {command[0]!r} cannot be started: {error}") from error
        except UnicodeDecodeError as error:
            raise EditorFailed(f"the editor left no UTF-8 text: {error}") from error
    if code:
        raise EditorFailed(f"the editor {command[0]!r} ended with {code}; the message is unchanged")
    # Editors end a file with a newline, which nobody typed.
    return edited if text.endswith("\n") else edited.removesuffix("\n")
