"""What PostgreSQL's programs say, kept in a file, and its last words quoted."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from broker.store.embedded.account import Account

_LARGE_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 16 * 1024

# What tells most, first. PostgreSQL and initdb each have a way to say what went wrong.
_TELLING = ("PANIC:", "FATAL:", "initdb: error:", "ERROR:")


class ServerLog:
    """One file, and the one before it. A new one is begun at a start when it is large."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begun = 0  # where the words of the present run begin

    @contextlib.contextmanager
    def opened(self, account: Account) -> Iterator[int]:
        """Give a file for one more run to write to."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > _LARGE_BYTES:
                self.path.rename(self.path.with_name(f"{self.path.name}.1"))
        new = not self.path.exists()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if new:
                account.own(file)
            self._begun = os.fstat(file).st_size
            yield file
        finally:
            os.close(file)

    def last_words(self) -> str:
        """Return the line of the present run that best tells why it ended."""
        lines = self._lines()
        for sign in _TELLING:
            for line in reversed(lines):
                if sign in line:
                    return line.partition(sign)[2].strip()
        return lines[-1].strip() if lines else "it said nothing"

    def said(self, words: str) -> bool:
        """Return whether the present run has said `words`."""
        return any(words in line for line in self._lines())

    def _lines(self) -> list[str]:
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._begun, size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()]
