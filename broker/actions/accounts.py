"""Making accounts, signing in, and taking over from an older session."""

import asyncio
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from broker.actions.states import states_of, subscription_states
from broker.cursor import Cursor
from broker.delivery import Reader
from broker.events import Event
from broker.gate import account_gone
from broker.hub import Hub
from broker.producer import producer_of
from broker.store.errors import StoreLost
from broker.store.interface import Account
from protocol import names
from protocol.names import Role
from protocol.reasons import Reason, RequestRefused
from protocol.replies import Limits, SignedIn, SubscriptionState, Success
from protocol.requests import ChangePassword, Connect, Create

if TYPE_CHECKING:
    from broker.session import Session


async def create(hub: Hub, session: "Session", request: Create) -> None:
    email, role = names.email(request.user_email), names.role(request.user_type)
    _check_producer(role, request)
    account = await hub.gate.create(email, role, request.password)
    await _sign_in(hub, session, account, request)


async def connect(hub: Hub, session: "Session", request: Connect) -> None:
    email = names.email(request.user_email)
    account = await hub.gate.admit(email, request.password, session.peer.source)
    _check_producer(account.role, request)
    await _sign_in(hub, session, account, request)


async def change_password(hub: Hub, session: "Session", request: ChangePassword) -> None:
    assert session.account is not None
    old, new = request.old_password, request.password
    await hub.gate.change(session.account, old, new, session.peer.source)
    if not session.lost:
        hub.password_changed(session.account.id, but=session)
        hub.neighbours.tell_password_changed(session.account.id)
        session.answer(request, Success())


def _check_producer(role: Role, request: Create | Connect) -> None:
    if request.version == 1 or request.producer is UNSET:
        return
    if role is not Role.PUBLISHER:
        raise RequestRefused(
            Reason.WRONG_ROLE, "producer is for publishers; leave it out for a subscriber"
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
        # Once it is known what became of the publishes before, the mark is final.
        await _find_out(hub)
        _check_still_holds(hub, session, key)  # or the client went to another broker meanwhile
        mark = await hub.store.begin_producer(account.id, request.producer)
        if mark is None:
            raise account_gone(account)
        producer = producer_of(mark)
        hub.neighbours.tell_producer_began(mark)
        _check_still_holds(hub, session, key)
    states = await subscription_states(hub, account)
    _begin(hub, session, account, request)
    session.producer = producer
    last_id = producer.last_id if producer else UNSET
    session.answer(request, _signed_in(hub, account, states, last_id))


async def _find_out(hub: Hub) -> None:
    """Wait for the log to know what became of all that it accepted, but not for ever."""
    try:
        async with asyncio.timeout(hub.settings.store_wait_s):
            await hub.log.find_out()
    except TimeoutError as error:
        raise StoreLost("what became of the newest publishes is not known yet") from error


async def _sign_in_subscriber(
    hub: Hub, session: "Session", account: Account, request: Create | Connect
) -> None:
    hub.take_over(account.id, session)
    # What the session before it confirmed is saved first, or it would be read out of date.
    await hub.saver.save()
    _check_still_holds(hub, session, account.id)  # or the client went to another broker meanwhile
    epoch = await hub.store.begin_session(account.id)
    if epoch is None:
        raise account_gone(account)
    hub.neighbours.tell_session_began(account.id, epoch)
    records = await hub.store.subscriptions(account.id)
    _check_still_holds(hub, session, account.id)
    _begin(hub, session, account, request)
    reader = session.reader = Reader(session.peer, session.version, epoch)
    for record in records:
        topic = hub.know(record.topic)
        if topic is not None:
            place = min(record.cursor, topic.head)
            reader.cursors[topic] = Cursor(reader, account.id, topic, place, place, topic.head)
    session.answer(request, _signed_in(hub, account, states_of(hub, records), UNSET))
    for cursor in [*reader.cursors.values()]:
        hub.delivery.attach(cursor)


def _check_still_holds(hub: Hub, session: "Session", key: object) -> None:
    if session.lost or not hub.holds(key, session):
        raise RequestRefused(Reason.TAKEN_OVER, "a newer session of this account has taken over")


def _begin(hub: Hub, session: "Session", account: Account, request: Create | Connect) -> None:
    hub.gate.check_there(account)  # it may have been deleted since it was let in
    session.account, session.version = account, request.version
    hub.sessions.add(session)
    producer = "" if request.version == 1 or request.producer is UNSET else " as a producer"
    hub.seldom.tell(
        Event.SIGNED_IN,
        f"{account.email}, a {account.role}, signed in from {session.peer.source}"
        f" with version {request.version}{producer}",
    )


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
