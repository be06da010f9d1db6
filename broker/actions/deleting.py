"""Deleting topics and accounts."""

from typing import TYPE_CHECKING

from broker.hub import Hub
from protocol.reasons import Reason, RequestRefused
from protocol.replies import Success
from protocol.requests import DeleteAccount, DeleteTopic

if TYPE_CHECKING:
    from broker.session import Session


async def delete_topic(hub: Hub, session: "Session", request: DeleteTopic) -> None:
    topic = await hub.topic(request.topic_name)
    assert session.account is not None
    if topic.creator_id != session.account.id:
        raise RequestRefused(
            Reason.NOT_YOURS,
            f"only the account that made {topic.name!r} can delete it, and that is not"
            f" {session.account.email}",
        )
    await hub.removal.remove_topic(topic)
    session.answer(request, Success())


async def delete_account(hub: Hub, session: "Session", request: DeleteAccount) -> None:
    account = session.account
    assert account is not None
    if request.user_email.strip().lower() != account.email:
        raise RequestRefused(
            Reason.NOT_YOURS,
            f"delete_account takes the e-mail of the account that is signed in, {account.email}",
        )
    await hub.removal.remove_account(account, session)
    session.answer(request, Success())
