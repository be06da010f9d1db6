"""Publish every line of a file, and every line that is appended to it, once each.

It may be stopped or killed at any moment and started again: the broker keeps how far it has
come, so that no line is published twice and none is left out. A file that is moved away and
begun anew (logrotate), or emptied and filled again, is followed from its first line; what is
added to the old file while the program is not running is not seen then. A line that is longer
than a message may be ends the program.
"""

import argparse
import asyncio
import hashlib
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from clients import BadAddress, Publisher, PubSubError

LOOK_S = 0.2  # between looks whether something was appended
TOGETHER_BYTES = 100_000  # of lines that are published together, unless one is longer


class Following:
    """An open file, read line by line. What has no newline yet is not read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("rb")

    def name(self) -> str | None:
        """Return a name that another file in the same place does not have; None while empty.

        A number of a file is given again once the file is gone, so its first line counts too.
        """
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            return None
        status = os.fstat(self._file.fileno())
        who = f"{self._path.absolute()} {status.st_dev} {status.st_ino}".encode()
        return "follow_file " + hashlib.sha256(who + first).hexdigest()[:32]

    def go_to(self, place: int) -> None:
        self._file.seek(place)

    def lines(self) -> tuple[list[str], int]:
        """Return the next whole lines, and the place where the last of them ends."""
        start, lines = self._file.tell(), []
        end = start
        while end - start < TOGETHER_BYTES and (line := self._file.readline()).endswith(b"\n"):
            lines.append(line[:-1].decode(errors="replace"))
            end += len(line)
        self._file.seek(end)
        return lines, end

    def begins_as(self, name: str) -> bool:
        """Whether it is still the file of this name, and not emptied and filled again."""
        place = self._file.tell()
        same = os.fstat(self._file.fileno()).st_size >= place and self.name() == name
        self._file.seek(place)
        return same

    def moved(self) -> bool:
        """Whether there is another file in its place."""
        try:
            here = self._path.stat()
        except FileNotFoundError:
            return False  # moved away, and the new one is not there yet
        return not os.path.samestat(here, os.fstat(self._file.fileno()))

    def close(self) -> None:
        self._file.close()


async def follow(options: argparse.Namespace) -> None:
    """Follow the file, and each that takes its place."""
    while True:
        with closing(Following(options.file)) as file:
            name = file.name()
            if name is not None:
                await follow_one(file, name, options)
        await asyncio.sleep(LOOK_S)


async def follow_one(file: Following, name: str, options: argparse.Namespace) -> None:
    """Publish the file's lines, until it is another one."""
    async with Publisher(options.connect, options.email, create=True, producer=name) as publisher:
        await publisher.create_topic(options.topic, exist_ok=True)
        # The id of what is published together is the place in the file where it ends.
        file.go_to(publisher.last_id)
        while file.begins_as(name):
            moved = file.moved()  # looked at first, or the last lines could be missed
            lines, end = file.lines()
            if lines:
                await publisher.publish_together(options.topic, lines, id=end)
            elif moved:
                return
            else:
                await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("topic")
    parser.add_argument("--connect", default="127.0.0.1:3000", metavar="HOST:PORT")
    parser.add_argument("--email", default="files@example.com")
    try:
        asyncio.run(follow(parser.parse_args()))
    except (PubSubError, BadAddress, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
