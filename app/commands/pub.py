"""`pubsub pub`: publish one message, or one per line of standard input."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.commands.ending import Failed, say
from app.commands.ending import run as run_command
from app.commands.signing_in import connected, sign_in, wanted_email
from clients import Connection, RequestRefused
from protocol.names import Role
from protocol.reasons import Reason
from protocol.replies import Limits
from protocol.requests import CreateTopic, ListTopics, PublishMany, PublishMsg

READ_BYTES = 256 * 1024
WINDOW = 8  # publishes under way, a chunk of lines each
CHUNK_LINES = 4_096


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
    async with await connected(options.connect) as connection:
        role = Role.PUBLISHER.value if options.create else None
        account = await sign_in(connection, email, create_as=role)
        if options.create:
            await _make_topic(connection, options.topic)
        if options.text is not None:
            await connection.ask(PublishMsg(topic_name=options.topic, msg=options.text))
            return
        await _check_topic(connection, options.topic)
        assert isinstance(account.limits, Limits)
        await _publish_lines(connection, options.topic, account.limits.message_bytes)


async def _make_topic(connection: Connection, topic: str) -> None:
    try:
        await connection.ask(CreateTopic(topic_name=topic))
    except RequestRefused as refused:
        if refused.reason != Reason.TOPIC_EXISTS:
            raise


async def _check_topic(connection: Connection, topic: str) -> None:
    """Say that the topic is missing before anything is read, which could be long."""
    reply = await connection.ask(ListTopics())
    if topic not in reply.topics:  # type: ignore[union-attr]
        raise Failed(f"there is no topic {topic!r}; add --create to make it")


async def _publish_lines(connection: Connection, topic: str, message_bytes: int) -> None:
    """Publish standard input, with several commits' worth under way at a time."""
    under_way: deque[tuple[int, asyncio.Future[object]]] = deque()
    stored = 0
    try:
        async for lines in _chunks(message_bytes):
            under_way.append(
                (len(lines), connection.send(PublishMany(topic_name=topic, msgs=lines)))  # type: ignore[arg-type]
            )
            await connection.flush()
            while len(under_way) >= WINDOW or (under_way and under_way[0][1].done()):
                stored += await _stored(under_way)
        while under_way:
            stored += await _stored(under_way)
    except BaseException as error:
        if not isinstance(error, Failed) or stored:
            say(f"{stored} messages are on disk, up to line {stored}; what came after may not be")
        raise


async def _stored(under_way: "deque[tuple[int, asyncio.Future[object]]]") -> int:
    """Wait for the oldest publish that is under way and return how many messages it had."""
    count, reply = under_way[0]
    await reply
    under_way.popleft()
    return count


async def _chunks(message_bytes: int) -> AsyncIterator[list[str]]:
    """Yield the lines of standard input as they come, some at a time.

    A line is what ends with a newline, or what the end of the input leaves.
    """
    rest, number = b"", 0
    while data := await asyncio.to_thread(os.read, sys.stdin.fileno(), READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > message_bytes:
            raise _too_long(number + len(lines) + 1, message_bytes)
        for start in range(0, len(lines), CHUNK_LINES):
            some = lines[start : start + CHUNK_LINES]
            yield _texts(some, number)
            number += len(some)
    if rest:
        yield _texts([rest], number)


def _texts(lines: list[bytes], before: int) -> list[str]:
    try:
        return [*map(bytes.decode, lines)]
    except UnicodeDecodeError:
        for number, line in enumerate(lines, before + 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise Failed(f"line {number} of the input is not UTF-8 text: {error}") from error
        raise


def _too_long(number: int, message_bytes: int) -> Failed:
    return Failed(f"line {number} of the input is longer than {message_bytes} bytes")
