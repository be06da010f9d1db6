"""`pubsub topics --delete` and `pubsub account --delete`: asked twice, then done."""

import asyncio
import sys
from collections.abc import Callable, Coroutine

from app.access import Access
from app.commands.ending import run_checked, say, signed_in
from app.commands.faults import Failed, WrongUsage
from app.commands.signing_in import wanted_email
from app.commands.topics import topic_states
from app.text import harmless
from clients import Observer, Publisher, RequestRefused
from clients.reasons import Reason

NO_TERMINAL = "there is no terminal to ask on; add --yes to delete it without being asked"


def topic(access: Access, name: str, *, yes: bool) -> None:
    """Delete the topic `name`, which the account has made."""
    run_checked(
        lambda: _ask_and_delete(
            access, name, lambda one: _topic_told(one, name), lambda one: _topic(one, name), yes
        )
    )
    say(f"the topic {name!r} is deleted")


def account(access: Access, *, yes: bool) -> None:
    """Delete the account."""
    run_checked(lambda: _ask_and_delete(access, wanted_email(access), _account_told, _account, yes))
    say(f"the account {access.email} is deleted")


def _ask_and_delete(
    access: Access,
    name: str,
    tell: Callable[[Access], Coroutine[None, None, None]],
    delete: Callable[[Access], Coroutine[None, None, None]],
    yes: bool,
) -> None:
    """Tell what would go, ask, ask for the name, and delete it."""
    if not yes and not (sys.stdin is not None and sys.stdin.isatty()):
        raise WrongUsage(NO_TERMINAL)
    known = signed_in(access, tell)
    if not yes:  # outside the loop, so that Ctrl-C ends the asking
        _check(_typed("Delete it? [y/N] ").strip().lower() in ("y", "yes"))
        _check(_typed(f"Type {harmless(name)} to delete it for good: ") == name)
    asyncio.run(delete(known))


def _check(wanted: bool) -> None:
    if not wanted:
        raise Failed("nothing was deleted")


def _typed(question: str) -> str:
    """Ask on standard error, as standard output is for data."""
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().rstrip("\n")


async def _topic_told(access: Access, name: str) -> None:
    _, states = await topic_states(access)
    state = next((one for one in states if one.topic_name == name), None)
    if state is None:
        raise Failed(f"there is no topic {name!r}; `pubsub topics` lists them")
    say(
        f"the topic {name!r} would go, with its {state.messages:,} messages and"
        f" {state.subscribers:,} subscriptions"
    )


async def _topic(access: Access, name: str) -> None:
    publisher = Publisher(access.connect, wanted_email(access), **access.options())
    try:
        async with publisher:
            await publisher.delete_topic(name)
    except RequestRefused as refused:
        if refused.reason != Reason.WRONG_ROLE:
            raise
        raise Failed(f"only a publisher can delete a topic: {refused}") from refused


async def _account_told(access: Access) -> None:
    role, states = await topic_states(access)
    if role == "subscriber":
        with_it = f", with its {sum(one.subscribed for one in states):,} subscriptions"
    else:
        with_it = "; what it published stays, and so do its topics, which nobody can delete then"
    say(f"the {role} {access.email} would go{with_it}")


async def _account(access: Access) -> None:
    async with Observer(access.connect, wanted_email(access), **access.options()) as observer:
        await observer.delete_account()
