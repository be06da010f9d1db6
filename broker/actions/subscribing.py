"""Subscribing, unsubscribing, and acknowledging what was delivered."""

from typing import TYPE_CHECKING

from msgspec import UNSET

from broker.cursor import Cursor
from broker.delivery import Reader
from broker.hub import Hub
from broker.store.errors import StoreError
from broker.topics import Topic, check_there
from protocol.reasons import Reason, RequestRefused
from protocol.replies import Success
from protocol.requests import Ack, Subscribe, Unsubscribe

if TYPE_CHECKING:
    from broker.session import Session


async def subscribe(hub: Hub, session: "Session", request: Subscribe) -> None:
    topic = await hub.topic(request.topic_name)
    reader, account = _reader(session), session.account
    assert account is not None
    cursor = reader.cursors.get(topic)
    wanted = request.from_ if session.version == 2 else UNSET
    if cursor is not None and wanted is UNSET:
        session.answer(request, Success())  # it is so already
        return
    place, unread_until = _place(topic, wanted)
    if cursor is not None:
        hub.delivery.detach(cursor)
        cursor.forgotten = True
    try:
        # A save of the old place that is on its way must not come after the new one.
        await hub.saver.save()
        await hub.store.subscribe(account.id, topic.id, place, reader.epoch)
    except BaseException as error:
        if cursor is not None and session.reader is reader and not topic.deleted:
            cursor.forgotten = False
            hub.delivery.attach(cursor)
        if isinstance(error, StoreError):
            check_there(topic)
        raise
    check_there(topic)
    session.answer(request, Success())
    if session.reader is reader:
        hub.delivery.attach(Cursor(reader, account.id, topic, place, place, unread_until))


def _place(topic: Topic, wanted: object) -> tuple[int, int]:
    """Return where a subscription's cursor is put, and up to where its topic is unread."""
    if wanted == "all":
        return topic.tail, topic.head
    if isinstance(wanted, int):
        return min(wanted - 1, topic.head), topic.head
    return topic.head, topic.head


async def unsubscribe(hub: Hub, session: "Session", request: Unsubscribe) -> None:
    topic = await hub.topic(request.topic_name)
    reader = _reader(session)
    cursor = _subscribed(reader, topic)
    hub.delivery.detach(cursor)
    try:
        await hub.store.unsubscribe(cursor.account_id, topic.id, reader.epoch)
    except BaseException as error:
        if session.reader is reader and not topic.deleted:
            hub.delivery.attach(cursor)
        if isinstance(error, StoreError):
            check_there(topic)
        raise
    cursor.forgotten = True
    session.answer(request, Success())


def _reader(session: "Session") -> Reader:
    if session.reader is None:
        raise RequestRefused(
            Reason.BAD_REQUEST,
            'this session takes no deliveries; sign in without "deliver":false to do that',
        )
    return session.reader


def _subscribed(reader: Reader, topic: Topic) -> Cursor:
    cursor = reader.cursors.get(topic)
    if cursor is None:
        raise RequestRefused(
            Reason.NOT_SUBSCRIBED, f"you are not subscribed to {topic.name!r}; subscribe first"
        )
    return cursor


def ack(hub: Hub, session: "Session", request: Ack) -> None:
    cursor = _subscribed(_reader(session), hub.topics.named(request.topic_name))
    if request.seq > cursor.sent:
        raise RequestRefused(
            Reason.BAD_REQUEST,
            f"seq {request.seq} of {cursor.topic.name!r} has not been delivered to you yet; the"
            f" newest that has is {cursor.sent}",
        )
    hub.delivery.acknowledge(cursor, request.seq)
    session.answer(request, Success())
