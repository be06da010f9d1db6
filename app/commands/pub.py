"""`pubsub pub`: publish one message, or one per line of standard input."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.commands.ending import Failed, say
from app.commands.ending import run as run_command
from app.commands.signing_in import Watcher, wanted_email, with_remedy
from clients import AccountNotFound, Publisher, TopicNotFound

READ_BYTES = 256 * 1024


@dataclass(frozen=True)
class Options:
    topic: str
    text: str | None
    connect: str
    email: str | None
    create: bool


def run(options: Options) -> None:
    run_command(_publish(options))


async def _publish(options: Options) -> None:
    email = wanted_email(options.email)
    publisher = Publisher(options.connect, email, create=options.create, on_state=Watcher())
    try:
        async with publisher:
            if options.create:
                await publisher.create_topic(options.topic, exist_ok=True)
            if options.text is not None:
                await publisher.publish(options.topic, options.text)
            else:
                await _check_topic(publisher, options.topic)
                await _publish_lines(publisher, options.topic)
    except AccountNotFound as error:
        raise with_remedy(error, email) from error
    except TopicNotFound as error:
        raise _no_topic(options.topic) from error


async def _check_topic(publisher: Publisher, topic: str) -> None:
    """Say that the topic is missing before anything is read, which could be long."""
    if topic not in [one.topic_name for one in await publisher.topics()]:
        raise _no_topic(topic)


def _no_topic(topic: str) -> Failed:
    return Failed(f"there is no topic {topic!r}; add --create to make it")


async def _publish_lines(publisher: Publisher, topic: str) -> None:
    """Publish standard input, with several commits' worth under way at a time."""
    assert publisher.limits is not None
    on_disk = 0

    def stored(count: int) -> None:
        nonlocal on_disk
        on_disk = count

    try:
        lines = _lines(publisher.limits.message_bytes)
        await publisher.publish_many(topic, lines, stored=stored)
    except BaseException as error:
        if not isinstance(error, Failed) or on_disk:
            say(f"{on_disk} messages are on disk, up to line {on_disk}; what came after may not be")
        raise


async def _lines(message_bytes: int) -> AsyncIterator[str]:
    """Yield the lines of standard input as they come.

    A line is what ends with a newline, or what the end of the input leaves.
    """
    rest, number = b"", 0
    while data := await asyncio.to_thread(os.read, sys.stdin.fileno(), READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            number += 1
            yield _text(line, number)
        if len(rest) > message_bytes:
            raise Failed(f"line {number + 1} of the input is longer than {message_bytes} bytes")
    if rest:
        yield _text(rest, number + 1)


def _text(line: bytes, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise Failed(f"line {number} of the input is not UTF-8 text: {error}") from error
