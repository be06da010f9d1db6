"""`pubsub password`: give the account another password, or its first."""

import asyncio

from app.access import Access
from app.commands.ending import run_checked, say, signed_in
from app.commands.passwords import new_password
from app.commands.signing_in import wanted_email
from clients import Observer


def run(access: Access) -> None:
    run_checked(lambda: _ask_and_change(access))


def _ask_and_change(access: Access) -> None:
    known = signed_in(access, _try)
    new = new_password()  # outside the loop, so that Ctrl-C ends the asking
    asyncio.run(_change(known, new))
    say(f"{access.email} has a new password; its other sessions have ended")


async def _try(access: Access) -> None:
    """Sign in, so that a wrong password is told before a new one is asked for."""
    async with _observer(access):
        pass


async def _change(access: Access, new: str) -> None:
    async with _observer(access) as observer:
        await observer.change_password(new)


def _observer(access: Access) -> Observer:
    return Observer(access.connect, wanted_email(access), **access.options())
