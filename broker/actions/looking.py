"""What can be asked without changing anything."""

from typing import TYPE_CHECKING

from msgspec import UNSET, Raw

from broker.actions.states import save_cursors, subscription_states
from broker.block import Block
from broker.hub import Hub, Work
from broker.settings import ENVELOPE_BYTES
from broker.store.interface import TopicSummary
from broker.topics import Topic, check_there
from protocol.frames import block_object
from protocol.names import Role
from protocol.reasons import Reason, RequestRefused
from protocol.replies import (
    HistoryPage,
    ReceiptCount,
    SubscriptionList,
    SubscriptionState,
    Success,
    Topics,
    TopicState,
)
from protocol.requests import History, ListTopics, Ping, Receipts, Subscriptions

if TYPE_CHECKING:
    from broker.session import Session


def list_topics(hub: Hub, session: "Session", request: ListTopics) -> Work | None:
    if session.version == 2:
        return _list_in_detail(hub, session, request)
    session.answer(request, Topics(topics=[topic.name for topic in hub.topics], details=[]))
    return None


async def _list_in_detail(hub: Hub, session: "Session", request: ListTopics) -> None:
    assert session.account is not None
    account = session.account
    own: dict[str, SubscriptionState] | None
    own = {state.topic_name: state for state in await subscription_states(hub, account)}
    await save_cursors(hub)
    if account.role is not Role.SUBSCRIBER:
        own = None
    details = [
        _topic_state(topic, summary, own)
        for summary in await hub.store.summaries()
        if (topic := hub.know(summary.record)) is not None
    ]
    session.answer(request, Topics(topics=[one.topic_name for one in details], details=details))


def _topic_state(
    topic: Topic, summary: TopicSummary, own: dict[str, SubscriptionState] | None
) -> TopicState:
    """Tell of a topic: to a subscriber what is unread of its own, else what is of all."""
    mine = own.get(topic.name) if own is not None else None
    unread = mine.unread if mine else 0
    return TopicState(
        topic_name=topic.name,
        head=topic.head,
        created_at=summary.record.created_at,
        published_at=summary.published_at,
        subscribers=summary.subscribers,
        subscribed=mine is not None,
        behind=summary.behind if own is None else int(unread > 0),
        unread=summary.unread if own is None else unread,
        tail=topic.tail,
    )


async def subscriptions(hub: Hub, session: "Session", request: Subscriptions) -> None:
    assert session.account is not None
    states = await subscription_states(hub, session.account)
    session.answer(request, SubscriptionList(subscriptions=states))


async def receipts(hub: Hub, session: "Session", request: Receipts) -> None:
    topic = await hub.topic(request.topic_name)
    await save_cursors(hub)
    confirmed, of = await hub.store.receipts(topic.id, request.seq)
    check_there(topic)
    reply = ReceiptCount(
        topic_name=topic.name, seq=request.seq, confirmed=confirmed, subscriptions=of
    )
    session.answer(request, reply)


async def history(hub: Hub, session: "Session", request: History) -> None:
    """Answer with the messages nearest to a seq, as many as are wanted and fit into a line."""
    topic = await hub.topic(request.topic_name)
    if (request.after is UNSET) == (request.before is UNSET):
        raise RequestRefused(Reason.BAD_REQUEST, "history takes either after or before, a seq")
    if request.after is not UNSET:
        first = max(request.after, topic.tail) + 1
        last = min(first + request.limit - 1, topic.head)
        blocks = await _blocks_upwards(hub, topic, first, last)
    else:
        assert request.before is not UNSET
        last = min(request.before - 1, topic.head)
        first = max(last - request.limit, topic.tail) + 1
        blocks = await _blocks_downwards(hub, topic, first, last)
    session.answer(request, HistoryPage(topic_name=topic.name, head=topic.head, blocks=blocks))


async def _blocks_upwards(hub: Hub, topic: Topic, first: int, last: int) -> list[Raw]:
    blocks: list[Raw] = []
    room = hub.settings.line_bytes - ENVELOPE_BYTES
    while first <= last:
        part = await _part(hub, topic, first, first, last)
        if part is None:
            break
        room -= len(part[1])
        if blocks and room < 0:
            break
        blocks.append(part[1])
        first = part[0].last_seq + 1
    return blocks


async def _blocks_downwards(hub: Hub, topic: Topic, first: int, last: int) -> list[Raw]:
    blocks: list[Raw] = []
    room = hub.settings.line_bytes - ENVELOPE_BYTES
    while first <= last:
        part = await _part(hub, topic, last, first, last)
        if part is None:
            break
        room -= len(part[1])
        if blocks and room < 0:
            break
        blocks.insert(0, part[1])
        last = part[0].first_seq - 1
    return blocks


async def _part(
    hub: Hub, topic: Topic, seq: int, first: int, last: int
) -> tuple[Block, Raw] | None:
    """Return what the block that holds `seq` has of `first` to `last`, and as JSON."""
    block = hub.cache.find(topic.name, seq)
    if block is None:
        found = await hub.fetcher.read(topic, seq)
        if not found or not found[0].first_seq <= seq <= found[0].last_seq:
            return None
        block = found[0]
    check_there(topic)  # or another one of its name might be looked into
    part = block.part(first, last)
    json_object = block_object(
        topic.name, part.first_seq, part.bodies, part.publishers, part.committed_at
    )
    return part, Raw(json_object)


def ping(hub: Hub, session: "Session", request: Ping) -> None:
    session.answer(request, Success())
