"""`pubsub sub`: print what is unread, then what comes."""

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

from app.access import Access
from app.commands.ending import run_signed_in, say
from app.commands.faults import Failed, WrongUsage
from app.commands.output import write
from app.commands.signing_in import Watcher, wanted_email, with_remedy
from app.gaps import gap_in_words
from app.record import record_of
from app.text import harmless
from clients import AccountNotFound, Gap, Message, Subscriber, TopicNotFound
from clients.subscriber import From


@dataclass(frozen=True)
class Options:
    topics: list[str]
    access: Access
    create: bool
    count: int | None
    from_: str | None
    json: bool


def run(options: Options) -> None:
    run_signed_in(options.access, lambda access: _subscribe(access, options), create=options.create)


async def _subscribe(access: Access, options: Options) -> None:
    email = wanted_email(access)
    place = _place(options.from_)
    wanted = Wanted(options.topics)
    subscriber = Subscriber(
        access.connect,
        email,
        auto_confirm=False,
        create=options.create,
        on_state=Watcher(),
        on_gap=_tell_gap,
        on_topic_deleted=wanted.deleted,
        **access.options(),
    )
    try:
        async with subscriber:
            subscribed = [one.topic_name for one in await subscriber.subscriptions()]
            for topic in dict.fromkeys(options.topics):
                if place is not None or topic not in subscribed:
                    await subscriber.subscribe(topic, place or "all")
            await wanted.unless_all_are_gone(_print_all(subscriber, options))
    except AccountNotFound as error:
        raise with_remedy(error, email) from error
    except TopicNotFound as error:
        raise Failed(f"{error}; `pubsub topics` lists them") from error


class Wanted:
    """The topics that are printed, until they are deleted."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._left = set(topics)
        self._none_left = asyncio.Event()

    def deleted(self, topic: str) -> None:
        say(f"{topic}: the topic was deleted")
        self._left.discard(topic)
        if not self._left:
            self._none_left.set()

    async def unless_all_are_gone(self, printing: Coroutine[None, None, None]) -> None:
        """Return when `printing` does.

        Raises:
            Failed: all the topics were deleted meanwhile.
        """
        task, gone = asyncio.ensure_future(printing), asyncio.ensure_future(self._none_left.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            raise Failed("there is nothing left to print")
        task.result()


def _tell_gap(gap: Gap) -> None:
    say(gap_in_words(gap))


def _place(text: str | None) -> From | None:
    """Return what `--from` stands for."""
    if text is None or text == "all" or text == "new":
        return text  # type: ignore[return-value]  # one of the literals
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise WrongUsage(f"--from takes all, new or a seq from 1 on, not {text!r}")


async def _print_all(subscriber: Subscriber, options: Options) -> None:
    """Print and confirm the wanted topics' messages, until `count` have been printed."""
    wanted, left = set(options.topics), options.count
    async for messages in subscriber.blocks():
        if messages[0].topic not in wanted:
            continue  # it stays unread
        printed = messages[:left]
        _print(printed, as_json=options.json)
        subscriber.confirm(printed[-1].topic, printed[-1].seq)
        if left is not None:
            left -= len(printed)
            if left == 0:
                return


def _print(messages: Sequence[Message], *, as_json: bool) -> None:
    """Print `messages`; on return they have left this process."""
    if as_json:
        data = b"".join(record_of(message) + b"\n" for message in messages)
    else:
        texts = [message.text for message in messages]
        if sys.stdout is not None and sys.stdout.isatty():
            texts = [*map(harmless, texts)]
        data = "\n".join([*texts, ""]).encode()
    write(data)
