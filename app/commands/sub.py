"""`pubsub sub`: print what is unread, then what comes."""

import sys
from dataclasses import dataclass
from typing import Any

import msgspec

from app.commands.ending import WrongUsage
from app.commands.ending import run as run_command
from app.commands.signing_in import connected, sign_in, wanted_email
from app.text import harmless
from clients import Connection
from protocol.incoming import BlockOfMessages, Succeeded
from protocol.names import Role
from protocol.requests import Ack, Subscribe

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Options:
    topics: list[str]
    connect: str
    email: str | None
    create: bool
    count: int | None
    from_: str | None
    json: bool


def run(options: Options) -> None:
    run_command(_subscribe(options))


async def _subscribe(options: Options) -> None:
    email = wanted_email(options.email)
    place = _place(options.from_)
    async with await connected(options.connect) as connection:
        role = Role.SUBSCRIBER.value if options.create else None
        account = await sign_in(connection, email, create_as=role)
        for topic in dict.fromkeys(options.topics):
            if place is not None or topic not in _subscribed(account):
                await connection.ask(Subscribe(topic_name=topic, from_=place or "all"))
        await _print_all(connection, options)


def _place(text: str | None) -> Any:
    """Return what `--from` stands for on the wire."""
    if text is None or text in ("all", "new"):
        return text
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise WrongUsage(f"--from takes all, new or a seq from 1 on, not {text!r}")


def _subscribed(account: Succeeded) -> set[str]:
    assert isinstance(account.subscriptions, list)
    return {one.topic_name for one in account.subscriptions}


async def _print_all(connection: Connection, options: Options) -> None:
    """Print and confirm the wanted topics' messages, until `count` have been printed."""
    wanted, left = set(options.topics), options.count
    while left is None or left > 0:
        block = await connection.delivery()
        if block.topic_name not in wanted:
            continue  # it stays unread
        count = len(block.messages) if left is None else min(left, len(block.messages))
        _print(block, count, as_json=options.json)
        confirmed = connection.send(Ack(topic_name=block.topic_name, seq=block.seq + count - 1))
        await connection.flush()
        if left is not None:
            left -= count
            if left == 0:
                await confirmed


def _print(block: BlockOfMessages, count: int, *, as_json: bool) -> None:
    """Print the first `count` messages of `block`; on return they have left this process."""
    messages = block.messages[:count]
    if as_json:
        data = b"".join(_as_json(block, place) for place in range(count))
    else:
        if sys.stdout.isatty():
            messages = [*map(harmless, messages)]
        data = "\n".join([*messages, ""]).encode()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _as_json(block: BlockOfMessages, place: int) -> bytes:
    record = {
        "topic": block.topic_name,
        "seq": block.seq + place,
        "publisher": block.publisher(place),
        "published_at": block.published_at,
        "message": block.messages[place],
    }
    return _encode(record) + b"\n"
