"""`pubsub pub`: publish one message, or one per line of standard input."""

from dataclasses import dataclass

from app.access import Access
from app.commands.ending import run_signed_in, say
from app.commands.faults import Failed
from app.commands.lines import lines, too_long
from app.commands.signing_in import Watcher, wanted_email, with_remedy
from clients import AccountNotFound, Publisher, TopicNotFound


@dataclass(frozen=True)
class Options:
    topic: str
    text: str | None
    access: Access
    create: bool


def run(options: Options) -> None:
    run_signed_in(options.access, lambda access: _publish(access, options), create=options.create)


async def _publish(access: Access, options: Options) -> None:
    email = wanted_email(access)
    publisher = Publisher(
        access.connect, email, create=options.create, on_state=Watcher(), **access.options()
    )
    try:
        async with publisher:
            if options.create:
                await publisher.create_topic(options.topic, exist_ok=True)
            if options.text is not None:
                await _publish_text(publisher, options.topic, options.text)
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


async def _publish_text(publisher: Publisher, topic: str, text: str) -> None:
    assert publisher.limits is not None
    limit = publisher.limits.message_bytes
    if too_long(text, limit):
        raise Failed(f"the message takes more than the {limit} bytes that one may")
    await publisher.publish(topic, text)


async def _publish_lines(publisher: Publisher, topic: str) -> None:
    """Publish standard input, with several commits' worth under way at a time."""
    assert publisher.limits is not None
    on_disk = 0

    def stored(count: int) -> None:
        nonlocal on_disk
        on_disk = count

    try:
        texts = lines(publisher.limits.message_bytes)
        await publisher.publish_many(topic, texts, stored=stored)
    except BaseException as error:
        if not isinstance(error, Failed) or on_disk:
            say(f"{on_disk} messages are on disk, up to line {on_disk}; what came after may not be")
        raise
