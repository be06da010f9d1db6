"""A file read into messages: as a whole, one per line, or the elements of a JSON array."""

import json
import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec

from app.publisher.sizes import in_words, size_fault

ARRAY_BYTES = 256 * 1024 * 1024  # an array has to be read whole
COUNTED_BYTES = 1024 * 1024 * 1024  # in a longer file the lines are not counted before
SHOWN = 5


class Mode(StrEnum):
    """What of a file is one message. A line is what ends with a newline, or with the file."""

    LINES = "one per line"
    WHOLE = "whole file"
    ARRAY = "JSON array"


class FileFault(Exception):
    """The file cannot be read into messages. The text says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One message of a file, or why it is none; `data` is it as it is in the file."""

    number: int  # from 1 on
    data: bytes
    text: str = ""
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a person sees of a file before it is sent."""

    size: int
    count: int | None  # of messages; None where that takes too long to find out
    first: list[Piece]


def path_of(typed: str) -> Path:
    return Path(typed).expanduser()


def pieces(path: Path, mode: Mode, limit: int) -> Generator[Piece, None, None]:
    """Yield the messages of a file, where a message takes `limit` bytes.

    Raises:
        FileFault: it cannot be read, or not as this mode wants it.
    """
    try:
        _check(path)
        with path.open("rb") as file:
            match mode:
                case Mode.LINES:
                    yield from _lines(file, limit)
                case Mode.WHOLE:
                    yield _whole(file, limit)
                case Mode.ARRAY:
                    yield from _elements(file, limit)
    except OSError as error:
        raise FileFault(f"{path} cannot be read: {error.strerror or error}") from error


def look(path: Path, mode: Mode, limit: int) -> Look:
    """Return what `path` looks like when it is read as `mode`.

    Raises:
        FileFault: see `pieces`.
    """
    messages = pieces(path, mode, limit)
    first = [*islice(messages, SHOWN)]
    size = path.stat().st_size
    if mode is Mode.ARRAY:
        return Look(size, len(first) + sum(1 for _ in messages), first)
    count = 1 if mode is Mode.WHOLE else _count_lines(path, size)
    return Look(size, count, first)


def likely_mode(path: Path) -> Mode:
    """Return what is likely meant with a file of this name and beginning."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Mode.LINES
        with path.open("rb") as file:
            beginning = file.read(200).lstrip()
    except OSError:
        return Mode.LINES
    if path.suffix == ".json":
        return Mode.ARRAY if beginning.startswith(b"[") else Mode.WHOLE
    return Mode.LINES


def completion(typed: str) -> str | None:
    """Return `typed` completed to the first path that begins with it, a folder with its slash."""
    folder, part = os.path.split(typed)
    if not typed or part in (".", ".."):
        return None
    try:
        with os.scandir(path_of(folder or ".")) as entries:
            found = sorted(
                (one.name, one.is_dir())
                for one in entries
                if one.name.startswith(part) and (part or not one.name.startswith("."))
            )
    except (OSError, RuntimeError):  # no such folder; no such user's home
        return None
    if not found:
        return None
    name, is_folder = found[0]
    return os.path.join(folder, name) + ("/" if is_folder else "")


def save_failures(path: Path, mode: Mode, failures: list[bytes]) -> Path:
    """Write `failures` next to `path`, in its own shape, and return where that is.

    Raises:
        OSError: it cannot be written.
    """
    array = mode is Mode.ARRAY
    body = b"[" + b",\n".join(failures) + b"]\n" if array else b"".join(map(_ended, failures))
    for number in range(1, 1000):
        more = "" if number == 1 else f".{number}"
        place = path.with_name(f"{path.name}.failed{more}")
        try:
            with place.open("xb") as file:
                file.write(body)
        except FileExistsError:
            continue
        return place
    raise FileExistsError(f"{path.name}.failed is there 999 times")


def _ended(line: bytes) -> bytes:
    return line + b"\n"


def _check(path: Path) -> None:
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise FileFault(f"{path} is a folder")
    if not stat.S_ISREG(kind):
        raise FileFault(f"{path} is not a plain file; `pubsub pub` reads anything from a pipe")


def _lines(file: BinaryIO, limit: int) -> Iterator[Piece]:
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        if line.endswith(b"\n") or len(line) <= limit:
            yield _piece(number, line.removesuffix(b"\n"), limit)
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(limit)
        yield Piece(number, b"", fault=f"longer than the {in_words(limit)} that a message takes")


def _whole(file: BinaryIO, limit: int) -> Piece:
    data = file.read(limit + 1)
    if len(data) > limit:
        return Piece(1, b"", fault=f"larger than the {in_words(limit)} that a message takes")
    return _piece(1, data, limit)


def _elements(file: BinaryIO, limit: int) -> Iterator[Piece]:
    data = file.read(ARRAY_BYTES + 1)
    if len(data) > ARRAY_BYTES:
        raise FileFault(f"an array of more than {in_words(ARRAY_BYTES)} is not read; use lines")
    try:
        elements = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FileFault(f"not a JSON array: {error}") from error
    for number, element in enumerate(elements, 1):
        raw = bytes(element)
        if raw.startswith(b'"'):
            yield _of_text(number, raw, json.loads(raw), limit)
        else:
            yield _piece(number, raw, limit)


def _piece(number: int, data: bytes, limit: int) -> Piece:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return Piece(number, data, fault=f"not UTF-8 text: {error.reason} at byte {error.start}")
    return _of_text(number, data, text, limit)


def _of_text(number: int, data: bytes, text: str, limit: int) -> Piece:
    return Piece(number, data, text, size_fault(text, limit))


def _count_lines(path: Path, size: int) -> int | None:
    if size > COUNTED_BYTES:
        return None
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while part := file.read(1024 * 1024):
            lines += part.count(b"\n")
            last = part[-1:]
    return lines + (last != b"\n")
