"""Making topics and publishing to them."""

from typing import TYPE_CHECKING

from broker.hub import Hub, Work
from protocol import names
from protocol.reasons import Reason, RequestRefused
from protocol.replies import Published, Success
from protocol.requests import CreateTopic, PublishMany, PublishMsg

if TYPE_CHECKING:
    from broker.session import Session


async def create_topic(hub: Hub, session: "Session", request: CreateTopic) -> None:
    name = names.topic_name(request.topic_name)
    assert session.account is not None
    account_id = session.account.id
    await hub.removal.name_is_free(name)
    record = await hub.store.create_topic(name, account_id)
    if record is None:
        if hub.topics.get(name) is None:  # made at another broker, or where the answer was lost
            await hub.neighbours.look()
        raise RequestRefused(
            Reason.TOPIC_EXISTS, f"there is a topic {name!r} already; publish to it as it is"
        )
    hub.know(record)
    hub.neighbours.tell_topics_changed()
    session.answer(request, Success())


def publish_msg(hub: Hub, session: "Session", request: PublishMsg) -> Work | None:
    """Publish one message that could not simply be handed on with its neighbours."""
    return _publish(hub, session, request)


def publish_many(hub: Hub, session: "Session", request: PublishMany) -> Work | None:
    return _publish(hub, session, request)


def _publish(hub: Hub, session: "Session", request: PublishMsg | PublishMany) -> Work | None:
    if hub.topics.get(request.topic_name) is None and hub.neighbours.others:
        return _publish_later(hub, session, request)
    _publish_now(hub, session, request)
    return None


async def _publish_later(hub: Hub, session: "Session", request: PublishMsg | PublishMany) -> None:
    """Publish to a topic that another broker may have made a moment ago."""
    await hub.neighbours.look()
    if not session.lost:
        _publish_now(hub, session, request)


def _publish_now(hub: Hub, session: "Session", request: PublishMsg | PublishMany) -> None:
    whole = isinstance(request, PublishMany)
    messages = request.msgs if isinstance(request, PublishMany) else [request.msg]
    producer = session.producer
    if producer is not None and producer.repeats(request.id):
        session.answer(request, Published(duplicate=True))
        return
    topic = hub.topics.named(request.topic_name)
    for message in messages:
        session.check_size(message)
    if hub.log.closed is not None:
        raise hub.log.closed
    if producer is not None:
        producer.accept(request.id)
    session.append(topic, messages, [request.id], whole=whole)
