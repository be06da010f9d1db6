"""What each action does, and the table that dispatches to them.

An action raises `RequestRefused` where it is not carried out. It says its reply itself, so
that deliveries which follow from it come after the reply.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from broker.actions.accounts import change_password, connect, create
from broker.actions.deleting import delete_account, delete_topic
from broker.actions.looking import history, list_topics, ping, receipts, subscriptions
from broker.actions.publishing import create_topic, publish_many, publish_msg
from broker.actions.subscribing import ack, subscribe, unsubscribe
from broker.hub import Hub, Work
from protocol.names import Role
from protocol.reasons import Reason, RequestRefused
from protocol.requests import (
    Ack,
    AnyRequest,
    ChangePassword,
    Connect,
    Create,
    CreateTopic,
    DeleteAccount,
    DeleteTopic,
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


def carry_out(hub: Hub, session: "Session", request: AnyRequest) -> Work | None:
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


# The table pairs each request with the action that takes it, which no type can say.
Action = Callable[[Hub, "Session", Any], Work | None]

# Who may ask for it (None: whoever is signed in; connect and create: anyone), and what it does.
ACTIONS: dict[type[Request], tuple[Role | None, Action]] = {
    Create: (None, create),
    Connect: (None, connect),
    ChangePassword: (None, change_password),
    DeleteAccount: (None, delete_account),
    CreateTopic: (Role.PUBLISHER, create_topic),
    DeleteTopic: (Role.PUBLISHER, delete_topic),
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
