"""What each action does: one function each, and the table that dispatches to them.

An action raises `RequestRefused` where it is not carried out. It says its reply itself, so
that deliveries which follow from it come after the reply.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Raw, UnsetType

from broker.block import Block
from broker.cursor import Cursor
from broker.delivery import Reader
from broker.hub import Hub
from broker.producer import producer_of
from broker.settings import ENVELOPE_BYTES
from broker.store.interface import Account, SubscriptionRecord, TopicSummary
from broker.topics import Topic
from protocol import names
from protocol.frames import block_fields
from protocol.names import Role
from protocol.reasons import Reason, RequestRefused
from protocol.replies import (
    HistoryPage,
    Limits,
    Published,
    ReceiptCount,
    SignedIn,
    SubscriptionList,
    SubscriptionState,
    Success,
    Topics,
    TopicState,
)
from protocol.requests import (
    Ack,
    AnyRequest,
    Connect,
    Create,
    CreateTopic,
    History,
    ListTopics,
    Ping,
    PublishMany,
    PublishMsg,
    Receipts,
    Request,
    Subscribe,
    Subscriptions,
    Unsubscribe,
)

if TYPE_CHECKING:
    from broker.session import Session


def carry_out(hub: Hub, session: "Session", request: AnyRequest) -> Awaitable[None] | None:
    """Carry `request` out, or begin to: then what is returned has to be awaited.

    Raises:
        RequestRefused: nothing has changed.
    """
    role, action = ACTIONS[type(request)]
    _check_allowed(session, request, role)
    return action(hub, session, request)


def _check_allowed(session: "Session", request: AnyRequest, role: Role | None) -> None:
    action = str(request.__struct_config__.tag)
    if isinstance(request, Connect | Create):
        return
    if session.account is None:
        raise RequestRefused(
            Reason.NOT_SIGNED_IN, f"sign in with connect or create before you {action}"
        )
    if session.version < request.version_needed:
        raise RequestRefused(
            Reason.VERSION_NEEDED,
            f'{action} takes version 2: sign in again with "version":2 in connect',
        )
    if role is not None and session.account.role is not role:
        raise RequestRefused(
            Reason.WRONG_ROLE,
            f"only a {role} can {action}, and {session.account.email} is a"
            f" {session.account.role}; sign in with a {role}'s account",
        )


# accounts


async def create(hub: Hub, session: "Session", request: Create) -> None:
    email, role = names.email(request.user_email), names.role(request.user_type)
    _check_producer(role, request)
    account = await hub.store.create_account(email, role)
    if account is None:
        raise RequestRefused(
            Reason.ACCOUNT_EXISTS, f"{email} has an account already; sign in with connect"
        )
    await _sign_in(hub, session, account, request)


async def connect(hub: Hub, session: "Session", request: Connect) -> None:
    email = names.email(request.user_email)
    account = await hub.store.find_account(email)
    if account is None:
        raise RequestRefused(
            Reason.ACCOUNT_NOT_FOUND, f"{email} has no account yet; make one with create"
        )
    _check_producer(account.role, request)
    await _sign_in(hub, session, account, request)


def _check_producer(role: Role, request: Create | Connect) -> None:
    if request.version == 1 or request.producer is UNSET:
        return
    if role is not Role.PUBLISHER:
        raise RequestRefused(
            Reason.BAD_REQUEST, "producer is for publishers; leave it out for a subscriber"
        )
    names.producer(request.producer)


async def _sign_in(
    hub: Hub, session: "Session", account: Account, request: Create | Connect
) -> None:
    """End the session there was on this connection and begin the one of `account`."""
    hub.sign_out(session)
    try:
        if account.role is Role.SUBSCRIBER and _takes_deliveries(request):
            await _sign_in_subscriber(hub, session, account, request)
        else:
            await _sign_in_asking(hub, session, account, request)
    except BaseException:
        hub.release(session)
        raise


def _takes_deliveries(request: Create | Connect) -> bool:
    return request.version == 1 or not isinstance(request, Connect) or request.deliver


async def _sign_in_asking(
    hub: Hub, session: "Session", account: Account, request: Create | Connect
) -> None:
    producer = None
    if request.version == 2 and request.producer is not UNSET:
        key = (account.id, request.producer)
        hub.take_over(key, session)
        # What the session before it published is settled now, so the mark is final.
        await hub.log.drain()
        mark = await hub.store.producer(account.id, request.producer)
        producer = producer_of(account.id, request.producer, mark)
        _check_still_holds(hub, session, key)
    states = await _subscription_states(hub, account)
    _begin(session, account, request)
    session.producer = producer
    last_id = producer.last_id if producer else UNSET
    session.answer(request, _signed_in(hub, account, states, last_id))


async def _sign_in_subscriber(
    hub: Hub, session: "Session", account: Account, request: Create | Connect
) -> None:
    hub.take_over(account.id, session)
    # What the session before it confirmed is saved first, or it would be read out of date.
    await hub.saver.save()
    records = await hub.store.subscriptions(account.id)
    _check_still_holds(hub, session, account.id)
    _begin(session, account, request)
    reader = session.reader = Reader(session.peer, session.version)
    for record in records:
        topic = hub.topics.add(record.topic)
        place = min(record.cursor, topic.head)
        reader.cursors[topic] = Cursor(reader, account.id, topic, place, place, topic.head)
    session.answer(request, _signed_in(hub, account, _states(hub, records), UNSET))
    for cursor in [*reader.cursors.values()]:
        hub.delivery.attach(cursor)


def _check_still_holds(hub: Hub, session: "Session", key: object) -> None:
    if session.lost or not hub.holds(key, session):
        raise RequestRefused(Reason.TAKEN_OVER, "a newer session of this account has taken over")


def _begin(session: "Session", account: Account, request: Create | Connect) -> None:
    session.account, session.version = account, request.version


def _signed_in(
    hub: Hub, account: Account, states: list[SubscriptionState], last_id: int | UnsetType
) -> SignedIn:
    return SignedIn(
        user_email=account.email,
        user_type=account.role.value,
        subscriptions=states,
        limits=Limits(hub.settings.line_bytes, hub.settings.message_bytes),
        last_id=last_id,
    )


async def _subscription_states(hub: Hub, account: Account) -> list[SubscriptionState]:
    """Return the account's subscriptions as they are now, oldest topic first."""
    if account.role is not Role.SUBSCRIBER:
        return []
    await _save_cursors(hub)
    return _states(hub, await hub.store.subscriptions(account.id))


def _states(hub: Hub, records: list[SubscriptionRecord]) -> list[SubscriptionState]:
    states = []
    for record in records:
        head = hub.topics.add(record.topic).head
        cursor = min(record.cursor, head)
        states.append(SubscriptionState(record.topic.name, cursor, head, head - cursor))
    return states


async def _save_cursors(hub: Hub) -> None:
    """Let the store know all that has been confirmed by now."""
    hub.confirm_readers()
    await hub.saver.save()


# topics


async def create_topic(hub: Hub, session: "Session", request: CreateTopic) -> None:
    name = names.topic_name(request.topic_name)
    assert session.account is not None
    record = await hub.store.create_topic(name, session.account.id)
    if record is None:
        raise RequestRefused(
            Reason.TOPIC_EXISTS, f"there is a topic {name!r} already; publish to it as it is"
        )
    hub.topics.add(record)
    session.answer(request, Success())


def list_topics(hub: Hub, session: "Session", request: ListTopics) -> Awaitable[None] | None:
    if session.version == 2:
        return _list_in_detail(hub, session, request)
    session.answer(request, Topics(topics=[topic.name for topic in hub.topics], details=[]))
    return None


async def _list_in_detail(hub: Hub, session: "Session", request: ListTopics) -> None:
    assert session.account is not None
    account = session.account
    own = {state.topic_name: state for state in await _subscription_states(hub, account)}
    await _save_cursors(hub)
    details = [
        _topic_state(hub, summary, own if account.role is Role.SUBSCRIBER else None)
        for summary in await hub.store.summaries()
    ]
    session.answer(request, Topics(topics=[one.topic_name for one in details], details=details))


def _topic_state(
    hub: Hub, summary: TopicSummary, own: dict[str, SubscriptionState] | None
) -> TopicState:
    """Tell of a topic: to a subscriber what is unread of its own, else what is of all."""
    topic = hub.topics.add(summary.record)
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
    )


# publishing


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


# subscribing


async def subscribe(hub: Hub, session: "Session", request: Subscribe) -> None:
    topic = hub.topics.named(request.topic_name)
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
        await hub.store.subscribe(account.id, topic.id, place)
    except BaseException:
        if cursor is not None and session.reader is reader:
            cursor.forgotten = False
            hub.delivery.attach(cursor)
        raise
    session.answer(request, Success())
    if session.reader is reader:
        hub.delivery.attach(Cursor(reader, account.id, topic, place, place, unread_until))


def _place(topic: Topic, wanted: object) -> tuple[int, int]:
    """Return where a subscription's cursor is put, and up to where its topic is unread."""
    if wanted == "all":
        return 0, topic.head
    if isinstance(wanted, int):
        return min(wanted - 1, topic.head), topic.head
    return topic.head, topic.head


async def unsubscribe(hub: Hub, session: "Session", request: Unsubscribe) -> None:
    topic = hub.topics.named(request.topic_name)
    reader = _reader(session)
    cursor = _subscribed(reader, topic)
    hub.delivery.detach(cursor)
    try:
        await hub.store.unsubscribe(cursor.account_id, topic.id)
    except BaseException:
        if session.reader is reader:
            hub.delivery.attach(cursor)
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


async def subscriptions(hub: Hub, session: "Session", request: Subscriptions) -> None:
    assert session.account is not None
    states = await _subscription_states(hub, session.account)
    session.answer(request, SubscriptionList(subscriptions=states))


# looking


async def receipts(hub: Hub, session: "Session", request: Receipts) -> None:
    topic = hub.topics.named(request.topic_name)
    await _save_cursors(hub)
    confirmed, of = await hub.store.receipts(topic.id, request.seq)
    reply = ReceiptCount(
        topic_name=topic.name, seq=request.seq, confirmed=confirmed, subscriptions=of
    )
    session.answer(request, reply)


async def history(hub: Hub, session: "Session", request: History) -> None:
    """Answer with the messages nearest to a seq, as many as are wanted and fit into a line."""
    topic = hub.topics.named(request.topic_name)
    if (request.after is UNSET) == (request.before is UNSET):
        raise RequestRefused(Reason.BAD_REQUEST, "history takes either after or before, a seq")
    if request.after is not UNSET:
        first = request.after + 1
        last = min(request.after + request.limit, topic.head)
        blocks = await _blocks_upwards(hub, topic, first, last)
    else:
        assert request.before is not UNSET
        last = min(request.before - 1, topic.head)
        first = max(last - request.limit + 1, 1)
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
    part = block.part(first, last)
    fields = block_fields(
        topic.name, part.first_seq, part.bodies, part.publishers, part.committed_at
    )
    return part, Raw(fields)


def ping(hub: Hub, session: "Session", request: Ping) -> None:
    session.answer(request, Success())


# The table pairs each request with the action that takes it, which no type can say.
Action = Callable[[Hub, "Session", Any], Awaitable[None] | None]

# Who may ask for it (None: whoever is signed in; connect and create: anyone), and what it does.
ACTIONS: dict[type[Request], tuple[Role | None, Action]] = {
    Create: (None, create),
    Connect: (None, connect),
    CreateTopic: (Role.PUBLISHER, create_topic),
    PublishMsg: (Role.PUBLISHER, publish_msg),
    PublishMany: (Role.PUBLISHER, publish_many),
    ListTopics: (None, list_topics),
    Subscribe: (Role.SUBSCRIBER, subscribe),
    Unsubscribe: (Role.SUBSCRIBER, unsubscribe),
    Ack: (Role.SUBSCRIBER, ack),
    Receipts: (None, receipts),
    History: (None, history),
    Subscriptions: (Role.SUBSCRIBER, subscriptions),
    Ping: (None, ping),
}
