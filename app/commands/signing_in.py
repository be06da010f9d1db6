"""Connecting and signing in, as all client commands do."""

from app.commands.ending import WrongUsage
from clients import Connection, RequestRefused, addresses
from protocol.incoming import Succeeded
from protocol.reasons import Reason
from protocol.requests import Connect, Create


def wanted_email(email: str | None) -> str:
    if email is None:
        raise WrongUsage("say who you are with --email or PUBSUB_EMAIL")
    return email


async def sign_in(
    connection: Connection,
    email: str,
    *,
    create_as: str | None = None,
    deliver: bool = True,
) -> Succeeded:
    """Sign in; an account that is missing is made where `create_as` names its role."""
    try:
        reply = await connection.ask(Connect(user_email=email, version=2, deliver=deliver))
    except RequestRefused as refused:
        if refused.reason != Reason.ACCOUNT_NOT_FOUND:
            raise
        if create_as is None:
            raise RequestRefused(refused.reason, f"{email} has no account yet; add --create") from (
                refused
            )
        reply = await connection.ask(Create(user_email=email, user_type=create_as, version=2))
    assert isinstance(reply, Succeeded)
    return reply


async def connected(connect: str) -> Connection:
    return await Connection.open(addresses(connect))
