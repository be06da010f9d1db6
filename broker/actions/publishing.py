"""Making topics and publishing to them."""

from typing import TYPE_CHECKING

from broker.hub import Hub
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
        if hub.topics.get(name) is None:  # made by a request whose answer was lost
            hub.topics.load(await hub.store.topics())
        raise RequestRefused(
            Reason.TOPIC_EXISTS, f"there is a topic {name!r} already; publish to it as it is"
        )
    hub.topics.add(record)
    session.answer(request, Success())


def publish_msg(hub: Hub, session: "Session", request: PublishMsg) -> None:
    """Publish one message that could not simply be handed on with its neighbours."""
    _publish(hub, session, request, [request.msg], whole=False)


def publish_many(hub: Hub, session: "Session", request: PublishMany) -> None:
    _publish(hub, session, request, request.msgs, whole=True)


def _publish(
    hub: Hub,
    session: "Session",
    request: PublishMsg | PublishMany,
    messages: list[str],
    *,
    whole: bool,
) -> None:
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
